// The chat page: what is asked goes out with its pictures, and the turn unfolds as its events come in.

const byId = (id) => document.getElementById(id);
const COLORS = ["#e6194b", "#0082c8", "#3cb44b", "#f58231", "#911eb4", "#008080", "#f032e6", "#806000", "#000080", "#c0392b"];
const TRIES = ["What is in this picture?", "How many things are there?", "Cut out the biggest one", "Read me what it says"];
const REMEMBERED = 1500; // ms after an answer by which what was met is remembered
const NEAR = 80; // px from the end within which the talk follows what is written

const state = { chat: null, attached: [], stop: null, pictures: new Map() };

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Talking to the server ------------------------------------------------------------------------------------------

async function call(path, options = {}) {
  const answer = await fetch(path, { credentials: "same-origin", ...options });
  if (answer.status === 401) {
    await logIn();
    return call(path, options);
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => null);
    throw new Error(told?.error?.message ?? `The server answered ${answer.status}.`);
  }
  return answer;
}

const json = async (path, options) => (await call(path, options)).json();

let asking = null;
function logIn() {
  asking ??= new Promise((resolve) => {
    const dialog = byId("login");
    dialog.showModal();
    dialog.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      const answer = await fetch("/login", {
        method: "POST", headers: { "content-type": "application/json" },
        body: JSON.stringify({ token: byId("token").value }),
      });
      if (!answer.ok) {
        byId("refused").textContent = "That is no token of this server.";
        return;
      }
      byId("token").value = "";
      dialog.close();
      asking = null;
      resolve();
    };
  });
  return asking;
}

async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
      if (data.length) yield JSON.parse(data.join("\n"));
    }
  }
}

// The talk -------------------------------------------------------------------------------------------------------

function follow() {
  const talk = byId("talk");
  if (talk.scrollHeight - talk.scrollTop - talk.clientHeight < NEAR + 400) talk.scrollTop = talk.scrollHeight;
}

function toEnd() {
  const talk = byId("talk");
  const go = () => { talk.scrollTop = talk.scrollHeight; };
  go();
  for (const image of talk.querySelectorAll("img")) if (!image.complete) image.addEventListener("load", go, { once: true });
}

function showEmpty() {
  const buttons = TRIES.map((text) =>
    element("button", { type: "button", class: "plain", onclick: () => { byId("text").value = text; byId("text").focus(); } }, text));
  byId("talk").replaceChildren(element("li", { class: "empty" }, element("h2", {}, "Show me a picture"),
    element("p", {}, "Paste, drop or add pictures and say what you would like to know. They stay on this machine."), ...buttons));
}

function addTurn(text, pictures) {
  byId("talk").querySelector(".empty")?.remove();
  const sent = element("div", { class: "sent" }, ...pictures.map((one) => element("img", { src: one.url, alt: one.name })));
  const asked = element("div", { class: "asked" });
  asked.textContent = text;
  const answer = element("div", { class: "answer" });
  const turn = element("li", { class: "turn" }, ...(pictures.length ? [sent] : []), asked, answer);
  byId("talk").append(turn);
  turn.scrollIntoView({ block: "end" });
  return answer;
}

function stepLine(step) {
  const line = element("li", {}, element("code", {}, `${step.tool}(${Object.entries(step.arguments).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ")})`));
  if (step.thought) line.prepend(element("em", {}, `${step.thought} `));
  if (step.observation !== undefined) line.append(element("div", { class: step.ok ? "" : "warning" }, step.observation));
  return line;
}

function stepsView(steps, open = false) {
  const seconds = steps.reduce((sum, step) => sum + (step.seconds ?? 0), 0);
  const title = `${steps.length} step${steps.length === 1 ? "" : "s"}, ${seconds.toFixed(1)} s`;
  return element("details", { open }, element("summary", {}, title), element("ol", {}, ...steps.map(stepLine)));
}

function sheetView(picture, regions) {
  const svg = drawn("svg", { viewBox: `0 0 ${picture.width} ${picture.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const chips = element("div", { class: "regions" });
  regions.forEach((region, at) => {
    const color = COLORS[at % COLORS.length];
    const group = drawn("g", {});
    const [x0, y0, x1, y1] = region.box;
    const line = Math.max(picture.width, picture.height) / 250;
    if (region.mask) {
      const id = `mask-${region.id.replace(".", "-")}-${at}-${Math.random().toString(36).slice(2, 8)}`;
      const mask = drawn("mask", { id });
      mask.append(drawn("image", { href: region.mask, width: picture.width, height: picture.height, preserveAspectRatio: "none" }));
      group.append(mask, drawn("rect", { width: picture.width, height: picture.height, fill: color, opacity: 0.35, mask: `url(#${id})` }));
    }
    group.append(drawn("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, fill: "none", stroke: "#fff", "stroke-width": 2 * line }),
      drawn("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, fill: "none", stroke: color, "stroke-width": line }));
    svg.append(group);
    const chip = element("button", { type: "button", class: "plain", "aria-pressed": "true", title: `Box ${region.box.map(Math.round).join(", ")}` }, `${region.handle} ${region.label}`);
    chip.style.borderColor = color;
    chip.addEventListener("click", () => {
      const on = chip.getAttribute("aria-pressed") !== "true";
      chip.setAttribute("aria-pressed", String(on));
      group.style.display = on ? "" : "none";
    });
    for (const name of ["pointerenter", "pointerleave", "focus", "blur"]) {
      chip.addEventListener(name, () => group.classList.toggle("near", chip.matches(":hover, :focus-visible")));
    }
    chips.append(chip);
  });
  const words = `${picture.handle ?? "picture"}${regions.length ? `, with ${regions.map((one) => one.label).join(", ")} marked` : ""}`;
  const sheet = element("div", { class: "sheet" }, element("img", { src: picture.url, alt: words }), svg);
  const name = picture.handle ?? picture.id;
  const save = element("a", { href: picture.url, download: `${name}.png`, title: `Save ${name}` }, name);
  return element("figure", {}, sheet, element("figcaption", {}, save), ...(regions.length ? [chips] : []));
}

function showReply(answer, reply) {
  const parts = [];
  for (const line of reply.text.split("\n")) parts.push(element("p", {}, line));
  for (const warning of reply.warnings) if (!reply.text.includes(warning)) parts.push(element("p", { class: "warning" }, warning));
  const shown = element("div", { class: "shown" });
  const marked = new Map();
  for (const region of reply.regions) marked.set(region.picture, [...(marked.get(region.picture) ?? []), region]);
  for (const [id, regions] of marked) {
    const picture = state.pictures.get(id);
    if (picture) shown.append(sheetView(picture, regions));
    else if (reply.evidence) shown.append(element("img", { src: reply.evidence, alt: "What the answer rests on" }));
  }
  for (const picture of reply.images) {
    state.pictures.set(picture.id, picture);
    shown.append(sheetView(picture, []));
  }
  if (shown.children.length) parts.push(shown);
  if (reply.steps.length) parts.push(stepsView(reply.steps));
  answer.replaceChildren(...parts);
}

async function ask(text, attached) {
  const answer = addTurn(text, attached);
  const status = element("p", { class: "state" }, "Thinking …");
  const live = element("ol", {});
  const lines = new Map(); // of steps by their call: several may run at once
  const steps = element("details", { open: true, hidden: true }, element("summary", {}, "Steps"), live);
  answer.append(status, steps);
  toEnd();
  const form = new FormData();
  form.append("text", text);
  if (state.chat) form.append("chat", state.chat);
  for (const one of attached) form.append("images", one.file, one.name);
  state.stop = new AbortController();
  busy(true);
  let written = "";
  const preview = element("img", { class: "preview", alt: "what is being painted, so far", width: 128 });
  try {
    const stream = await call("/turns", { method: "POST", body: form, signal: state.stop.signal });
    for await (const event of events(stream)) {
      if (event.type === "chat") {
        state.chat = event.id;
        history.replaceState(null, "", `#${event.id}`);
      } else if (event.type === "loading") status.textContent = `Loading ${event.what} …`;
      else if (event.type === "text") {
        written += event.text;
        status.textContent = written;
      } else if (event.type === "step_started") {
        written = "";
        status.textContent = `${event.tool} …`;
        steps.hidden = false;
        lines.set(event.call, stepLine(event));
        live.append(lines.get(event.call));
      } else if (event.type === "expert_said") status.textContent += event.text;
      else if (event.type === "expert_working") {
        status.textContent = `${event.role}: ${event.done} of ${event.of} steps`;
        if (event.preview) preview.src = event.preview;
        preview.hidden = !preview.src;
        status.append(preview);
      }
      else if (event.type === "step_finished") lines.get(event.call)?.replaceWith(stepLine(event.step));
      else if (event.type === "error") throw new Error(event.message);
      else if (event.type === "reply") {
        await learnPictures();
        showReply(answer, event.reply);
      }
      follow();
    }
  } catch (error) {
    const stopped = error.name === "AbortError";
    answer.append(element("p", { class: stopped ? "" : "warning" }, stopped ? "Stopped. What was done stays." : error.message));
    status.remove();
  } finally {
    state.stop = null;
    busy(false);
    listChats().catch(() => {});
    setTimeout(() => { if (!byId("words").value) showMemory().catch(() => {}); }, REMEMBERED);
    follow();
  }
}

async function learnPictures() {
  if (!state.chat) return;
  const told = await json(`/chats/${state.chat}`);
  for (const turn of told.turns) for (const one of [...turn.images, ...turn.reply.images]) state.pictures.set(one.id, one);
}

function busy(on) {
  byId("send").hidden = on;
  byId("stop").hidden = !on;
}

// Conversations --------------------------------------------------------------------------------------------------

async function listChats() {
  const told = await json("/chats");
  byId("who").textContent = told.user === "me" ? "" : told.user;
  byId("chats").replaceChildren(...told.chats.map((one) => {
    const title = one.title || new Date(one.created).toLocaleString();
    const go = element("button", { class: "go", title, "aria-current": one.id === state.chat ? "true" : null, onclick: () => openChat(one.id) }, title);
    const drop = element("button", { class: "drop", title: `Delete “${title}”`, "aria-label": `Delete ${title}`, onclick: () => deleteChat(one.id, title) }, "✕");
    return element("li", {}, go, drop);
  }));
}

async function openChat(id) {
  const told = await json(`/chats/${id}`);
  state.chat = id;
  history.replaceState(null, "", `#${id}`);
  byId("talk").replaceChildren();
  for (const turn of told.turns) for (const one of [...turn.images, ...turn.reply.images]) state.pictures.set(one.id, one);
  for (const turn of told.turns) showReply(addTurn(turn.text, turn.images.map((one) => ({ url: one.url, name: one.handle }))), turn.reply);
  toEnd();
  byId("side").classList.remove("open");
  byId("menu").setAttribute("aria-expanded", "false");
  await listChats();
  byId("text").focus();
}

function newChat() {
  state.chat = null;
  history.replaceState(null, "", location.pathname);
  showEmpty();
  byId("side").classList.remove("open");
  listChats();
  byId("text").focus();
}

async function deleteChat(id, title) {
  if (!confirm(`Delete “${title}” for good, with the pictures that were met nowhere else?`)) return;
  await json(`/chats/${id}`, { method: "DELETE" });
  if (id === state.chat) newChat();
  else await listChats();
  await showMemory();
}

// Memory ---------------------------------------------------------------------------------------------------------

function showHits(hits, words) {
  byId("found").textContent = words ? (hits.length ? `${hits.length} found` : "Nothing like that was seen.") : "";
  byId("gallery").replaceChildren(...hits.map((hit) => {
    const name = hit.label ?? hit.caption ?? hit.source ?? `seen ${new Date(hit.seen).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`;
    const use = element("button", { class: "use", title: `Ask about this: ${name}`, onclick: () => useHit(hit) },
      element("img", { src: hit.thumbnail, alt: name, loading: "lazy" }), ...(hit.box ? [boxView(hit)] : []));
    const drop = element("button", { class: "drop", title: "Forget it for good", "aria-label": `Forget ${name}`, onclick: () => forget(hit, name) }, "✕");
    return element("li", {}, element("figure", {}, use, element("figcaption", {}, element("span", {}, hit.why ?? name), drop)));
  }));
}

// The box of a region over the thumbnail of its picture, which is cut to a square about its middle.
function boxView(hit) {
  const [x0, y0, x1, y1] = hit.box;
  const svg = drawn("svg", { viewBox: `0 0 ${hit.width} ${hit.height}`, preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" });
  const line = Math.max(hit.width, hit.height) / 80;
  for (const [stroke, width] of [["#fff", 2 * line], [COLORS[0], line]]) {
    svg.append(drawn("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, fill: "none", stroke, "stroke-width": width }));
  }
  return svg;
}

async function showMemory(words = "") {
  const told = await json(`/memory?words=${encodeURIComponent(words)}`);
  showHits(told.hits, words);
}

async function useHit(hit) {
  const blob = await (await call(hit.url)).blob();
  attach([new File([blob], hit.source ?? `${hit.picture}.png`, { type: "image/png" })]);
}

async function forget(hit, name) {
  if (!confirm(`Forget “${name}” for good?`)) return;
  await json(`/memory/${hit.id}`, { method: "DELETE" });
  await showMemory(byId("words").value);
}

// Pictures to send -----------------------------------------------------------------------------------------------

function attach(files) {
  for (const file of files) {
    if (file.type.startsWith("image/")) state.attached.push({ file, name: file.name || "picture", url: URL.createObjectURL(file) });
  }
  showAttached();
  byId("text").focus();
}

function showAttached() {
  byId("attached").replaceChildren(...state.attached.map((one, at) => element("li", {}, element("img", { src: one.url, alt: one.name }),
    element("button", { type: "button", "aria-label": `Remove ${one.name}`, onclick: () => { state.attached.splice(at, 1); showAttached(); } }, "✕"))));
}

// What the person does -------------------------------------------------------------------------------------------

const told = (action) => (event) => Promise.resolve(action(event)).catch((error) => { byId("found").textContent = error.message; });

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("text").value.trim();
  if (!text || state.stop) return;
  const attached = state.attached;
  state.attached = [];
  byId("text").value = "";
  byId("text").style.height = "";
  showAttached();
  ask(text, attached);
});
byId("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("ask").requestSubmit();
  }
});
byId("text").addEventListener("input", (event) => {
  event.target.style.height = "auto";
  event.target.style.height = `${event.target.scrollHeight}px`;
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") state.stop?.abort(); });
byId("stop").addEventListener("click", () => state.stop?.abort());
byId("files").addEventListener("change", (event) => { attach(event.target.files); event.target.value = ""; });
document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) { event.preventDefault(); attach(files); }
});
for (const name of ["dragenter", "dragover"]) document.addEventListener(name, (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
for (const name of ["dragleave", "drop"]) document.addEventListener(name, () => document.body.classList.remove("dropping"));
document.addEventListener("drop", (event) => { event.preventDefault(); attach(event.dataTransfer.files); });
byId("new").addEventListener("click", newChat);
byId("menu").addEventListener("click", () => byId("menu").setAttribute("aria-expanded", String(byId("side").classList.toggle("open"))));
byId("search").addEventListener("submit", (event) => { event.preventDefault(); told(() => showMemory(byId("words").value))(); });
byId("like").addEventListener("change", told(async (event) => {
  const form = new FormData();
  form.append("image", event.target.files[0]);
  form.append("words", byId("words").value);
  event.target.value = "";
  showHits((await json("/memory/like", { method: "POST", body: form })).hits, "like this");
}));

const named = location.hash.slice(1);
if (/^chat_[0-9a-f]+$/.test(named)) openChat(named).catch(newChat);
else { showEmpty(); listChats(); }
showMemory().catch(() => {});
