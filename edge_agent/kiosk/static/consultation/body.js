// The drawn body and the list are two ways to the same answers: a touch on the body sets the list's choice.

const form = document.querySelector("form.picker");
const regions = [...document.querySelectorAll(".region")];

const chosen = (site) => form.querySelector(`input[name="site.${site}"]:checked`)?.value ?? "";

function choose(site, value) {
  const input = form.querySelector(`input[name="site.${site}"][value="${value}"]`);
  if (input) input.checked = true;
  show();
}

function touched(site, side) {
  const now = chosen(site);
  if (side === "yes") return choose(site, now ? "" : "yes");
  const other = side === "left" ? "right" : "left";
  const after = { "": side, [side]: "", [other]: "both", both: other };
  return choose(site, after[now]);
}

function show() {
  for (const region of regions) {
    const value = chosen(region.dataset.site);
    region.classList.toggle("is-chosen", value !== "" && [region.dataset.side, "both", "yes"].includes(value));
  }
}

for (const region of regions) {
  const row = form.querySelector(`input[name="site.${region.dataset.site}"]`)?.closest(".site");
  region.classList.toggle("is-closed", Boolean(row?.querySelector(".closed")));
  region.addEventListener("click", () => touched(region.dataset.site, region.dataset.side));
}
form.addEventListener("change", show);
show();
