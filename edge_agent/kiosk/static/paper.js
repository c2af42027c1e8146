// Prints the sheet in the frame. The kiosk's browser has no toolbar, so the page brings the button.

const frame = document.getElementById("paper");
const button = document.getElementById("print-paper");

function isMade() {
  document.getElementById("making-paper").hidden = true;
  button.disabled = false;
}

if (navigator.pdfViewerEnabled === false) {
  document.getElementById("making-paper").hidden = true;
  document.getElementById("no-paper").hidden = false;
} else {
  frame.addEventListener("load", isMade);
}

button.addEventListener("click", () => {
  frame.contentWindow.focus();
  frame.contentWindow.print();
});
