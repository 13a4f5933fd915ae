// The data of the page, as page.py describes them, and what all parts of the script use.

const DOCUMENT = 0, SEGMENT = 1, QUESTION = 2, SCORE = 3, ANSWER = 4, ID = 5, ANSWER_AT = 6; // columns of questions
const REVIEW = 7, ORIGINAL_QUESTION = 8, ORIGINAL_ANSWER = 9; // columns that only rows of a reviewed table have

const byId = (id) => document.getElementById(id);
const {table, has_answers: hasAnswers, fingerprint, documents, questions, decisions: given} = JSON.parse(byId("data").textContent);

const element = (name, content, className) => {
  const made = document.createElement(name);
  if (content !== undefined) made.textContent = content;
  if (className) made.className = className;
  if (name === "p" || name === "button") made.dir = "auto";
  return made;
};

const counted = (n, name) => `${n.toLocaleString("en")} ${name}${n === 1 ? "" : "s"}`;

const oneLine = (text) => text.split(/\s+/).filter(Boolean).join(" ");

// Says what happened, without haste: a screen reader is not interrupted, and a held key is one message.
let saying;
const say = (message) => {
  clearTimeout(saying);
  saying = setTimeout(() => (byId("status").textContent = message), 150);
};

// Shows what needs attention until it is closed.
const warn = (message) => {
  byId("warning").textContent = message;
  byId("notice").hidden = !message;
};
byId("close-notice").addEventListener("click", () => warn(""));
