// Tells in one line that reports are ready. It never opens one, and never says whose they are: others may look on.

const notice = document.getElementById("ready-notice");
const words = document.getElementById("ready-words");

function listen() {
  const stream = new EventSource("/events");
  stream.addEventListener("ready", (event) => {
    const told = JSON.parse(event.data);
    words.textContent = told.words;
    notice.hidden = told.count === 0;
  });
  return stream;
}

if (notice && document.body.dataset.person) {
  let stream = listen();
  document.addEventListener("kiosk:blank", () => stream.close());
  document.addEventListener("kiosk:awake", () => {
    stream = listen();
  });
}
