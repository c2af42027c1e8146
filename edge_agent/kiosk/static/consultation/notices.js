// Tells in one line that reports are ready. It never opens one, and never says whose they are: others may look on.

const notice = document.getElementById("ready-notice");
const words = document.getElementById("ready-words");

const lost = document.getElementById("lost-notice");
const WAIT_MS = 4000;
let patience = 0;

function tellLost(which) {
  clearTimeout(patience);
  patience = 0;
  lost.hidden = which === null;
  for (const one of lost.querySelectorAll("[data-lost]")) one.hidden = one.dataset.lost !== which;
}

function listen() {
  const stream = new EventSource("/events");
  stream.addEventListener("ready", (event) => {
    const told = JSON.parse(event.data);
    words.textContent = told.words;
    notice.hidden = told.count === 0;
  });
  stream.addEventListener("open", () => tellLost(null));
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) tellLost("again");
    else if (!patience) patience = setTimeout(() => tellLost("wait"), WAIT_MS);
  });
  return stream;
}

if (notice && document.body.dataset.person) {
  let stream = listen();
  document.addEventListener("kiosk:blank", () => {
    clearTimeout(patience);
    patience = 0;
    stream.close();
  });
  document.addEventListener("kiosk:awake", () => {
    stream = listen();
  });
}
