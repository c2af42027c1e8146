// Counts answers while they are given, says "no" to the rest of a group that was looked at, and keeps lists short.

function answeredIn(form) {
  const names = new Set();
  for (const input of form.querySelectorAll("input, select")) {
    if (input.type === "hidden" || !input.name) continue;
    const isOn = input.type === "radio" || input.type === "checkbox" ? input.checked && input.value : input.value;
    if (isOn) names.add(input.name.startsWith("current_treatment.") ? "current_treatment" : input.name);
  }
  return names.size;
}

for (const form of document.querySelectorAll("form[data-counted]")) {
  const shown = form.querySelector("[data-count]");
  const locale = document.documentElement.lang;
  // Other screens' answers are counted by the server; here only what changes on this one.
  const elsewhere = "countBase" in shown.dataset ? Number(shown.dataset.countBase) - answeredIn(form) : 0;
  const count = () => {
    shown.textContent = new Intl.NumberFormat(locale).format(elsewhere + answeredIn(form));
  };
  form.addEventListener("input", count);
  form.addEventListener("change", count);
  count();
}

for (const button of document.querySelectorAll("[data-all-no]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const card = button.closest("section");
    for (const set of card.querySelectorAll("fieldset")) {
      if (!set.querySelector("input:checked")) set.querySelector('input[value="no"]').checked = true;
    }
    card.closest("form").dispatchEvent(new Event("change"));
  });
}

for (const list of document.querySelectorAll("[data-most]")) {
  const most = Number(list.dataset.most);
  const used = () =>
    [...list.querySelectorAll("input, select")].filter((one) => (one.type === "checkbox" ? one.checked : one.value));
  list.addEventListener("change", (event) => {
    const changed = event.target;
    const isNothing = (one) => one.value === "none" || one.name.endsWith(".none");
    if (used().includes(changed)) {
      for (const one of used()) {
        if (one !== changed && isNothing(one) !== isNothing(changed) && (isNothing(one) || isNothing(changed))) {
          if (one.type === "checkbox") one.checked = false;
          else one.value = "";
        }
      }
    }
    if (used().length > most) {
      if (changed.type === "checkbox") changed.checked = false;
      else changed.value = "";
    }
  });
}

const agePart = document.querySelector("[data-consent-age]");
if (agePart) {
  const minors = document.querySelector("[data-for-minors]");
  const show = () => {
    const years = agePart.elements.age_years.value;
    minors.hidden = years !== "" && Number(years) >= Number(agePart.dataset.consentAge);
  };
  agePart.addEventListener("input", show);
  show();
}
