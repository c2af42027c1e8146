// The live picture stops when the screen blanks; hints come in words and with an arrow; the space bar is the shutter.

const live = document.getElementById("live");
const picture = document.getElementById("live-picture");
const words = document.getElementById("hint-words");
const arrow = document.getElementById("hint-arrow");
const shutter = document.getElementById("shutter");
const ghost = document.getElementById("ghost");
const ghostSwitch = document.getElementById("ghost-switch");
const ARROWS = { left: "←", right: "→", up: "↑", down: "↓", closer: "⊕", farther: "⊖", hold_still: "✋", more_light: "☀", less_light: "☾", tilt: "↻", wipe: "⊗" };
const HINT_EVERY_MS = 700;
let timer = 0;

async function advise() {
  try {
    const answer = await fetch(live.dataset.hint);
    if (answer.status === 401) {
      clearInterval(timer);
      location.reload(); // the page was started again: the server asks for the PIN
    }
    if (!answer.ok) return;
    const told = await answer.json();
    if (words.textContent !== told.words) words.textContent = told.words;
    arrow.textContent = ARROWS[told.arrow] ?? "";
    live.toggleAttribute("data-ready", told.id === "ready");
    live.toggleAttribute("data-broken", !told.has_picture); // the last picture is none of now
  } catch {
    words.textContent = "";
  }
}

function begin() {
  clearInterval(timer);
  timer = setInterval(advise, HINT_EVERY_MS);
  advise();
}

if (live) {
  const source = picture.getAttribute("src");
  begin();
  document.addEventListener("kiosk:blank", () => {
    clearInterval(timer);
    picture.removeAttribute("src");
  });
  document.addEventListener("kiosk:awake", () => {
    picture.src = source;
    begin();
  });
  document.addEventListener("keydown", (event) => {
    const isElsewhere = event.target.closest("input, textarea, select, button, a, summary") && !shutter.contains(event.target);
    if (event.code !== "Space" || isElsewhere || event.repeat || "blank" in document.documentElement.dataset) return;
    event.preventDefault();
    shutter.requestSubmit();
  });
}

if (ghost && ghostSwitch) {
  ghostSwitch.hidden = false;
  ghostSwitch.addEventListener("click", () => {
    ghost.hidden = !ghost.hidden;
    ghostSwitch.setAttribute("aria-pressed", String(!ghost.hidden));
  });
}
