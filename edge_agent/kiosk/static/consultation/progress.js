// Follows one case: stages, remaining time, and signs as they come. When it ends the page says so; it opens no report.

const box = document.getElementById("progress");
const left = document.getElementById("left");
const signs = document.getElementById("signs");
const list = document.getElementById("sign-list");
const RELOAD_AFTER_MS = 3000;
const stages = [...document.querySelectorAll("[data-stage]")];

function showStage(told) {
  const name = told.stage === "second_look" ? "recognition" : told.stage;
  const at = stages.findIndex((row) => row.dataset.stage === name);
  stages.forEach((row, index) => {
    if (at < 0) return;
    row.classList.toggle("is-done", index < at);
    row.classList.toggle("is-now", index === at);
    const bar = row.querySelector("progress");
    if (index < at) bar.value = 1;
    if (index === at) bar.value = told.total ? told.done / told.total : 0;
  });
  left.textContent = [told.words, told.left].filter(Boolean).join(" · ");
}

function showSign(told) {
  signs.hidden = false;
  let row = document.getElementById(`sign-${told.key}`);
  if (!row) {
    let head = [...list.querySelectorAll("h3")].find((one) => one.textContent === told.view);
    if (!head) {
      head = document.createElement("h3");
      head.textContent = told.view;
      list.append(head);
    }
    row = document.createElement("p");
    row.id = `sign-${told.key}`;
    let last = head;
    while (last.nextElementSibling && last.nextElementSibling.tagName === "P") last = last.nextElementSibling;
    last.after(row);
  }
  const name = document.createElement("span");
  name.className = "quiet";
  name.textContent = `${told.name}: `;
  const value = document.createElement("strong");
  value.textContent = told.value;
  row.replaceChildren(name, value);
}

function follow() {
  const stream = new EventSource(box.dataset.stream);
  stream.addEventListener("progress", (event) => showStage(JSON.parse(event.data)));
  stream.addEventListener("note", (event) => {
    left.textContent = JSON.parse(event.data).words;
  });
  stream.addEventListener("error", () => {
    // The page was started again: the server asks for the PIN. Not at once, so that no refusal makes it reload for ever.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), RELOAD_AFTER_MS);
  });
  stream.addEventListener("field", (event) => showSign(JSON.parse(event.data)));
  stream.addEventListener("end", () => {
    stream.close();
    location.reload(); // this page then says that the report is ready; it shows nothing of it
  });
  return stream;
}

if (box) {
  let stream = follow();
  document.addEventListener("kiosk:blank", () => stream.close());
  document.addEventListener("kiosk:awake", () => {
    stream = follow();
  });
}
