// Blanks the screen when nobody has touched it for a while (policy R7), and tells the server that somebody is here.
// Nothing of a patient stands behind the blank screen: the style sheet hides every other element.

const root = document.documentElement;
const blankAfterMs = Number(document.body.dataset.blankAfterS || 60) * 1000;
const csrf = document.querySelector('meta[name="csrf"]')?.content;
const curtain = document.getElementById("blank");
const TELL_EVERY_MS = 10000;
let timer = 0;
let told = Date.now();

async function tellServer() {
  told = Date.now();
  try {
    const answer = await fetch("/awake", { method: "POST", headers: { "x-csrf-token": csrf } });
    return answer.ok ? await answer.json() : { person: null };
  } catch {
    return null; // the server restarts; the next page says so
  }
}

function blank() {
  root.dataset.blank = "";
  curtain.focus();
  document.dispatchEvent(new Event("kiosk:blank"));
}

async function wake() {
  const answer = await tellServer();
  if (answer && answer.person !== (document.body.dataset.person || null)) {
    location.reload(); // signed out meanwhile: the server asks for the PIN and comes back here
    return;
  }
  delete root.dataset.blank;
  rest();
  document.dispatchEvent(new Event("kiosk:awake"));
}

function rest() {
  clearTimeout(timer);
  timer = setTimeout(blank, blankAfterMs);
}

function touched() {
  if ("blank" in root.dataset) return;
  rest();
  if (csrf && Date.now() - told > TELL_EVERY_MS) tellServer();
}

if (curtain) {
  for (const kind of ["pointerdown", "pointermove", "keydown", "input", "scroll"]) {
    addEventListener(kind, touched, { passive: true, capture: true });
  }
  curtain.addEventListener("click", wake);
  rest();
}
