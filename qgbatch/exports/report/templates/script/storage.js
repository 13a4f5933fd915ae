// Keeps the decisions in this browser, under the fingerprint of the table.
//
// The stored object has what was decided in this browser: id -> decision, or null for one that was taken back.
// It wins over the decisions in the page. Writing merges the ids that changed here into what is stored, because
// another tab may have stored other ids meanwhile. It takes time with many decisions, so no key press waits for it.

const KEY = `qgbatch-review:${fingerprint}`;
const WRITE_AFTER = 250; // ms after the first change

const dirty = new Set(); // ids that changed here and are not stored yet
let stored = new Map(), storedText = null, writing;

const readStored = () => {
  const text = localStorage.getItem(KEY);
  if (text === storedText) return;
  storedText = text;
  stored = new Map();
  let values = {};
  try {
    values = JSON.parse(text) ?? {};
  } catch { /* not what this page writes */ }
  for (const [id, value] of Object.entries(values)) {
    try {
      stored.set(id, value && checked(id, value));
    } catch { /* likewise */ }
  }
};

const changed = (id) => {
  dirty.add(id);
  isSaved = false;
  writing ??= setTimeout(write, WRITE_AFTER);
};

const write = () => {
  clearTimeout(writing);
  writing = undefined;
  if (!dirty.size) return;
  try {
    readStored();
    for (const id of dirty) stored.set(id, decisions.get(id) ?? null);
    const text = JSON.stringify(Object.fromEntries(stored));
    localStorage.setItem(KEY, text);
    storedText = text;
    dirty.clear();
  } catch (error) {
    storedText = null; // what is stored is not what is in the map
    warn(
      `This browser does not store your decisions (${error.name}). They are lost when the page is closed: ` +
      "save them to a file before, with the button “Save”.",
    );
  }
};

// Takes over what is stored, except what changed here and will be stored.
const takeOver = () => {
  readStored();
  for (const [id, value] of stored) {
    const decision = value ?? undefined;
    if (!dirty.has(id) && !isSame(decisions.get(id), decision)) put(id, decision);
  }
};

try {
  takeOver();
} catch { /* no storage: the first change says so */ }

addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  takeOver();
  refresh();
});
addEventListener("pagehide", write);
document.addEventListener("visibilitychange", () => document.hidden && write());
addEventListener("beforeunload", (event) => {
  write();
  if (dirty.size && !isSaved) event.preventDefault(); // the browser asks whether to leave
});
