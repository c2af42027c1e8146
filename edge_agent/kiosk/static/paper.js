// Prints the sheet in the frame. The kiosk's browser has no toolbar, so the page brings the button.

const frame = document.getElementById("paper");
const hint = document.getElementById("no-paper");

if (navigator.pdfViewerEnabled === false) {
  hint.hidden = false;
}

document.getElementById("print-paper").addEventListener("click", () => {
  try {
    frame.contentWindow.focus();
    frame.contentWindow.print();
  } catch {
    hint.hidden = false;
  }
});
