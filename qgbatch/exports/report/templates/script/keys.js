// The keyboard. The help lists the same table that the keys come from.

const PAGE_ROWS = 10; // that Page Up and Page Down move by
const KEYS_SETTING = "qgbatch-review-keys"; // in the local storage: "off", or nothing

const KEYS = [
  {keys: ["j", "ArrowDown"], does: "go to the next question", act: () => move(1)},
  {keys: ["k", "ArrowUp"], does: "go to the previous question", act: () => move(-1)},
  {keys: ["n"], does: "go to the next unread question", act: () => moveToUnread()},
  {keys: ["y"], does: "keep the question and go on", act: () => keep()},
  {keys: ["x"], does: "drop the question and go on", act: () => drop()},
  ...REASONS.map((reason, at) => ({keys: [`${at + 1}`], does: `drop it as ${reason} and go on`, act: () => drop(reason)})),
  {keys: ["e"], does: "edit the question and its answer", act: () => openEditor()},
  {keys: ["u"], does: "undo the last step", act: () => undo()},
  {keys: ["r"], does: "redo what was undone", act: () => redo()},
  {keys: ["s"], does: "save the decisions to a file", act: () => save()},
  {keys: ["/"], does: "search", act: () => byId("search").focus()},
  {keys: ["?"], does: "show this help", act: () => openHelp()},
];
const LIST_KEYS = {PageDown: PAGE_ROWS, PageUp: -PAGE_ROWS, Home: -Infinity, End: Infinity};
const OTHER_KEYS = [
  [["Page Up", "Page Down", "Home", "End"], "move through the list, when it has the focus"],
  [["Enter"], "save the edit"],
  [["Escape"], "cancel the edit, leave a field, close a window"],
];
const SHOWN_KEYS = {ArrowDown: "↓", ArrowUp: "↑"};

const actions = new Map(KEYS.flatMap(({keys, act}) => keys.map((key) => [key, act])));
const help = byId("help");

const openHelp = () => {
  if (!help.open) help.showModal();
};

const isField = (target) => target.matches?.("textarea, select, input:not([type=checkbox], [type=file])") ?? false;

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || help.open) return;
  if (isField(event.target)) {
    if (event.key !== "Escape") return;
    event.preventDefault(); // some browsers would clear the search
    return list.focus({preventScroll: true});
  }
  if (event.ctrlKey || event.metaKey || event.altKey) {
    const isUndo = event.key.toLowerCase() === "z" && !event.altKey;
    if (!isUndo) return;
    event.preventDefault();
    return event.shiftKey ? redo() : undo();
  }
  const isInList = list.contains(event.target);
  if (event.key in LIST_KEYS && isInList) {
    event.preventDefault();
    return move(LIST_KEYS[event.key]);
  }
  const isArrow = event.key.startsWith("Arrow");
  if (isArrow ? !isInList && event.target !== document.body : !byId("use-keys").checked) return; // arrows scroll the text
  const act = actions.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
  if (!act) return;
  event.preventDefault(); // no "/" in the field that it leads to
  act();
});

for (const [keys, does] of [...KEYS.map(({keys, does}) => [keys.map((key) => SHOWN_KEYS[key] ?? key), does]), ...OTHER_KEYS]) {
  const line = element("div"), term = element("dt");
  keys.forEach((key, at) => term.append(at ? " " : "", element("kbd", key)));
  line.append(term, element("dd", does));
  byId("keys").append(line);
}
byId("open-help").addEventListener("click", openHelp);
byId("close-help").addEventListener("click", () => help.close());

const showKeys = () => document.body.classList.toggle("without-keys", !byId("use-keys").checked);
byId("use-keys").addEventListener("change", () => {
  showKeys();
  try {
    if (byId("use-keys").checked) localStorage.removeItem(KEYS_SETTING);
    else localStorage.setItem(KEYS_SETTING, "off");
  } catch { /* no storage: until the page is closed */ }
});
try {
  byId("use-keys").checked = localStorage.getItem(KEYS_SETTING) !== "off";
} catch { /* no storage: they are on */ }
showKeys();
