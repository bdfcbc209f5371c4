// What makes the pages nicer to use. All of them work without it.

const PAUSE = 250; // milliseconds without typing before a search
const REFRESH = 1000; // milliseconds between the first two looks at the gateways; later ones are further apart
const SLOWEST = 15_000; // milliseconds between the last ones
const LOOKS = 100; // how often at most: a tab that was forgotten must not keep its session for ever

// === Menus: one open at a time, closed by Escape and by a click elsewhere ===

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.pop[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.pop[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// === The list: searched while typing, the address always says what is shown ===

async function load(address, signal) {
  const answer = await fetch(address, { signal, headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) throw new Error(`answered ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function liveForm(form) {
  let timer;
  let running;
  async function search() {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    const address = `${form.getAttribute("action")}${query.size ? `?${query}` : ""}`;
    running?.abort();
    running = new AbortController();
    try {
      const page = await load(address, running.signal);
      const found = page.querySelector("#results");
      if (!found) throw new Error("no results in the page");
      document.querySelector("#results").replaceWith(document.adoptNode(found));
      history.replaceState(null, "", address);
    } catch (error) {
      if (error.name !== "AbortError") location.assign(address);
    }
  }
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, PAUSE);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    search();
  });
}

for (const form of document.querySelectorAll("[data-live-form]")) liveForm(form);

// === Gateways: looked at again until all have applied the change ===

function follow(looks = 0) {
  const effect = document.querySelector('#effect[data-live="true"]');
  if (!effect || looks >= LOOKS) return;
  setTimeout(async () => {
    try {
      if (!document.hidden) {
        const page = await load(location.pathname);
        const newer = page.querySelector("#effect");
        const current = document.querySelector("#effect");
        if (newer && current && newer.outerHTML !== current.outerHTML) {
          // The status keeps its place, so that a screen reader says what is new in it.
          current.dataset.live = newer.dataset.live;
          const [before, after] = [current, newer].map((one) => one.querySelector('[role="status"]'));
          before.className = after.className;
          if (before.innerHTML !== after.innerHTML) before.replaceChildren(...after.childNodes);
          current.querySelector("table")?.remove();
          const table = newer.querySelector("table");
          if (table) current.append(document.adoptNode(table));
        }
      }
    } catch {
      // The next look may succeed; whoever is signed out sees it with the next page.
    }
    follow(looks + 1);
  }, Math.min(SLOWEST, REFRESH * 1.1 ** looks));
}

follow();

// === Dialogs: the page behind a link, shown over this one ===

async function showDialog(link) {
  const page = await load(link.href);
  const body = page.querySelector("[data-dialog-body]");
  if (!body) throw new Error("no dialog in the page");
  const dialog = document.createElement("dialog");
  dialog.append(document.adoptNode(body));
  const title = dialog.querySelector("h1");
  title.id = "dialog-title";
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.querySelector("[data-cancel]").addEventListener("click", (event) => {
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    const opener = link.closest("details.pop")?.querySelector("summary") ?? link;
    opener.focus();
  });
  document.body.append(dialog);
  prepare(dialog);
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-dialog]");
  if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  showDialog(link).catch(() => location.assign(link.href));
});

// === Forms: not sent before they can be, a name typed to confirm, and no second sending by a double click ===

/// A text as it is seen: a page shows several spaces as one.
const words = (text) => text.trim().split(/\s+/).join(" ");

/// What a form still lacks, in words; nothing where it can be sent.
function missing(form) {
  const lacks = [];
  if (form.querySelector("[name=environment]") && !form.querySelector("[name=environment]:checked")) {
    lacks.push("choose an environment");
  }
  if (form.elements.name.value.trim() === "") lacks.push("give the key a name");
  if (form.querySelector("[name=preset][value=chosen]:checked")) {
    const granted = form.querySelector('.when-chosen input[type=radio]:not([value="none"]):checked, [name=grant]:checked');
    if (!granted && form.elements.custom.value.trim() === "") lacks.push("choose a permission");
  }
  if (form.elements.expiry.value === "date" && form.elements.expires_on.value === "") lacks.push("choose its last day");
  return lacks;
}

for (const form of document.querySelectorAll("[data-form]")) {
  const said = form.querySelector("[data-missing]");
  const judge = () => {
    const lacks = missing(form);
    form.querySelector(".form-end .primary").disabled = lacks.length > 0;
    const text = lacks.length > 0 ? `Still to do: ${lacks.join(", ")}.` : "";
    if (said.textContent !== text) said.textContent = text;
    said.hidden = text === "";
  };
  form.addEventListener("input", judge);
  addEventListener("pageshow", judge);
  judge();
}

function prepare(root) {
  for (const input of root.querySelectorAll("[data-must-be]")) {
    const button = input.form.querySelector(".button.danger");
    const judge = () => {
      button.disabled = words(input.value) !== words(input.dataset.mustBe);
    };
    input.addEventListener("input", judge);
    judge();
  }
  for (const form of root.querySelectorAll('form[method="post"]')) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
  }
}

prepare(document);
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// === The secret: masked, shown, copied, and not lost by accident ===

function reveal(box) {
  const { secret, masked } = box.dataset;
  const value = box.querySelector("[data-value]");
  const toggle = box.querySelector("[data-toggle]");
  const copy = box.querySelector("[data-copy]");
  const said = box.querySelector("[data-said]");
  const places = [value, ...document.querySelectorAll("[data-key]")];
  let isKept = false;
  delete box.dataset.secret;
  toggle.hidden = copy.hidden = false;

  toggle.addEventListener("click", () => {
    const isShown = toggle.getAttribute("aria-pressed") === "true";
    for (const place of places) place.textContent = isShown ? masked : secret;
    toggle.setAttribute("aria-pressed", String(!isShown));
    toggle.textContent = isShown ? "Show" : "Hide";
  });

  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(secret);
      isKept = true;
      copy.textContent = "Copied";
      said.textContent = "Copied to the clipboard.";
      setTimeout(() => {
        copy.textContent = "Copy";
      }, 3000);
    } catch {
      if (toggle.getAttribute("aria-pressed") !== "true") toggle.click();
      getSelection().selectAllChildren(value);
      said.textContent = "The browser did not allow copying. It is shown and selected: copy it with Ctrl+C or ⌘C.";
    }
  });

  box.querySelector("[data-kept]")?.addEventListener("click", () => {
    isKept = true;
  });

  addEventListener("beforeunload", (event) => {
    // Whoever has neither copied nor downloaded it would lose it.
    if (!isKept) event.preventDefault();
  });
}

for (const box of document.querySelectorAll("[data-reveal]")) reveal(box);

// === Tabs ===

function tabs(root) {
  const list = root.querySelector('[role="tablist"]');
  const panels = [...root.querySelectorAll(".tab")];
  const buttons = panels.map((panel) => {
    const button = document.createElement("button");
    button.type = "button";
    button.id = `${panel.id}-button`;
    button.textContent = panel.dataset.label;
    button.setAttribute("role", "tab");
    button.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", button.id);
    panel.querySelector("h3").hidden = true;
    list.append(button);
    return button;
  });
  const choose = (chosen) => {
    buttons.forEach((button, place) => {
      button.setAttribute("aria-selected", String(place === chosen));
      button.tabIndex = place === chosen ? 0 : -1;
      panels[place].hidden = place !== chosen;
    });
  };
  list.addEventListener("click", (event) => {
    const place = buttons.indexOf(event.target);
    if (place >= 0) choose(place);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const place = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
    choose(place);
    buttons[place].focus();
  });
  list.hidden = false;
  choose(0);
}

for (const root of document.querySelectorAll("[data-tabs]")) tabs(root);

if (location.hash === "" && document.querySelector("#errors")) document.querySelector("#errors").focus();
