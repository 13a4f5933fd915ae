// What the reader decided, by the id of the question. Each step can be undone.
//
// A decision is {decision: "keep" | "drop", reason?, question?, answer?}, as in the file that is saved.
// It is never changed, only replaced. Ids of questions that the table does not have stay among them.

const UNREAD = 0, KEPT = 1, EDITED = 2, DROPPED = 3;
const STATES = ["unread", "kept", "edited", "dropped"];
const REASONS = ["wrong", "unclear", "trivial", "duplicate"];

// A decision from outside the script, with only the keys that belong to it.
const checked = (id, values) => {
  const fail = (problem) => { throw new Error(`${id.slice(0, 60)}: ${problem}`); };
  if (values === null || typeof values !== "object") fail("not an object");
  const {decision, reason, question, answer} = values;
  if (decision !== "keep" && decision !== "drop") fail("the decision is neither keep nor drop");
  if (reason !== undefined && !REASONS.includes(reason)) fail(`the reason is none of ${REASONS.join(", ")}`);
  for (const text of [question, answer]) if (text !== undefined && typeof text !== "string") fail("a new text is not text");
  const isEdit = question !== undefined || answer !== undefined;
  if (isEdit && decision === "drop") fail("both dropped and edited");
  if (question !== undefined && !oneLine(question)) fail("the new question is empty");
  const made = {decision};
  if (decision === "drop" && reason !== undefined) made.reason = reason;
  if (question !== undefined) made.question = oneLine(question);
  if (answer !== undefined) made.answer = oneLine(answer);
  return made;
};

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other); // their keys have one order

const decisions = new Map();
const states = new Uint8Array(questions.length); // by index of the question, like words and searched
const words = new Array(questions.length); // the first question word
const searched = new Array(questions.length); // the text to search in
const indicesOf = new Map(); // by id; a table of two runs may have an id twice
let nRead = 0;

const QUESTION_WORD = /\b(who|whom|whose|what|when|where|which|why|how)\b/i;
const firstWord = (question) => {
  const found = QUESTION_WORD.exec(question)?.[1].toLowerCase() ?? "other";
  return found.startsWith("who") ? "who" : found;
};

const decisionOf = (index) => decisions.get(questions[index][ID]);
const questionOf = (index) => decisionOf(index)?.question ?? questions[index][QUESTION];
const answerOf = (index) => decisionOf(index)?.answer ?? questions[index][ANSWER];
const reasonOf = (index) => decisionOf(index)?.reason;
const wasEdited = (index) => typeof questions[index][ORIGINAL_QUESTION] === "string";
const originalQuestion = (index) => questions[index][wasEdited(index) ? ORIGINAL_QUESTION : QUESTION];
const originalAnswer = (index) => (wasEdited(index) ? questions[index][ORIGINAL_ANSWER] ?? "" : questions[index][ANSWER]);

// As in qgbatch/questions/review.py: an edit that gives the original texts again is none.
const stateOf = (index) => {
  const decision = decisionOf(index);
  if (decision?.decision === "drop") return DROPPED;
  if (!decision && !questions[index][REVIEW]) return UNREAD;
  const isOriginal = questionOf(index) === originalQuestion(index) && answerOf(index) === originalAnswer(index);
  return isOriginal ? KEPT : EDITED;
};

const derive = (index) => {
  const before = states[index];
  states[index] = stateOf(index);
  nRead += (states[index] !== UNREAD) - (before !== UNREAD);
  words[index] = firstWord(questionOf(index));
  searched[index] = `${questionOf(index)}\n${answerOf(index)}`.toLowerCase();
};

const put = (id, decision) => {
  if (decision) decisions.set(id, decision);
  else decisions.delete(id);
  for (const index of indicesOf.get(id) ?? []) derive(index);
};

// ---- Steps

const done = [], undone = []; // steps: [{id, before, after}, ...]

const apply = (step, side) => {
  for (const change of step) {
    put(change.id, change[side]);
    changed(change.id); // storage.js
  }
};

// Makes [[id, decision], ...] one step, without those that change nothing; returns whether any did.
const decide = (entries) => {
  const step = entries
    .map(([id, after]) => ({id, before: decisions.get(id), after}))
    .filter(({before, after}) => !isSame(before, after));
  if (!step.length) return false;
  done.push(step);
  undone.length = 0;
  apply(step, "after");
  return true;
};

// Takes a step back, or makes it again; returns it.
const stepBack = () => {
  const step = done.pop();
  if (step) apply(step, "before"), undone.push(step);
  return step;
};
const stepAgain = () => {
  const step = undone.pop();
  if (step) apply(step, "after"), done.push(step);
  return step;
};

questions.forEach((question, index) => {
  if (!indicesOf.has(question[ID])) indicesOf.set(question[ID], []);
  indicesOf.get(question[ID]).push(index);
  derive(index);
});
for (const [id, decision] of Object.entries(given)) put(id, decision); // those of --review-with
