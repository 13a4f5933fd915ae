// Saves the decisions to a file and loads them from one.

const FORMAT = "qgbatch decisions 1";
const MAX_BYTES = 1 << 28; // as in qgbatch/questions/review.py
let isSaved = true; // whether the last file that was saved has all decisions

// One decision per line, in the order of the ids, so that two files can be compared line by line.
const asFile = () => {
  const lines = [...decisions].sort(([a], [b]) => (a < b ? -1 : 1));
  const entries = lines.map(([id, decision]) => `    ${JSON.stringify(id)}: ${JSON.stringify(decision)}`);
  const head = Object.entries({format: FORMAT, table, fingerprint});
  return `{\n${head.map(([name, value]) => `  "${name}": ${JSON.stringify(value)},\n`).join("")}` +
    `  "decisions": {\n${entries.join(",\n")}\n  }\n}\n`;
};

const save = () => {
  closeEditor(true);
  const url = URL.createObjectURL(new Blob([asFile()], {type: "application/json"}));
  const link = element("a");
  link.href = url;
  link.download = "decisions.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  isSaved = true;
  say(`Saved ${counted(decisions.size, "decision")} to decisions.json.`);
};

// The entries [id, decision] of a file; an error says why it is refused.
const parseFile = (text) => {
  const values = JSON.parse(text);
  if (values?.format !== FORMAT) throw new Error(`its format is not “${FORMAT}”`);
  if (values.decisions === null || typeof values.decisions !== "object") throw new Error("it has no decisions");
  const entries = Object.entries(values.decisions).map(([id, decision]) => [id, checked(id, decision)]);
  if (values.fingerprint !== fingerprint && entries.length && !entries.some(([id]) => indicesOf.has(id))) {
    throw new Error(
      `it belongs to another table. Its fingerprint is ${String(values.fingerprint).slice(0, 64)}, ` +
      `and that of this table is ${fingerprint}`,
    );
  }
  return entries;
};

const load = async (file) => {
  closeEditor(true);
  let entries;
  try {
    if (file.size > MAX_BYTES) throw new Error("it is too large");
    entries = parseFile(await file.text());
  } catch (error) {
    warn(`${file.name} was not loaded: ${error.message}.`);
    return;
  }
  warn("");
  decide(entries);
  refresh();
  const nUnknown = entries.filter(([id]) => !indicesOf.has(id)).length;
  const about = nUnknown ? ` ${nUnknown.toLocaleString("en")} of them about questions that this table does not have.` : "";
  say(`Loaded ${counted(entries.length, "decision")}.${about}`);
};

byId("save").addEventListener("click", save);
byId("load").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", () => {
  const [file] = byId("file").files;
  if (file) load(file).finally(() => (byId("file").value = "")); // so that the same file can be loaded again
});
