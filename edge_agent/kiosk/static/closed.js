// Looks whether the device is open again, and loads the page only then: a page that reloads by itself disturbs its reader.

const LOOK_EVERY_MS = 5000;
const CLOSED = 503;

async function look() {
  try {
    const answer = await fetch("/", { redirect: "manual" });
    if (answer.status !== CLOSED) location.replace("/");
  } catch {
    return; // nobody answers just now
  }
}

setInterval(look, LOOK_EVERY_MS);
