// The panel of the chosen question: its texts, the buttons and the editor.

const panel = byId("panel"), editor = byId("editor");
for (const part of document.querySelectorAll(".of-answer")) part.hidden = !hasAnswers; // qgbatch review adds no column

const drawPanel = () => {
  panel.hidden = chosen < 0;
  drawProgress();
  if (chosen < 0) return;
  byId("chosen-mark").replaceChildren(mark(chosen));
  byId("chosen-state").textContent = stateText(chosen);
  byId("chosen-state").className = `state ${STATES[states[chosen]]}`;
  byId("chosen-question").textContent = questionOf(chosen);
  byId("chosen-answer").textContent = answerOf(chosen) || "no answer";
  byId("chosen-score").textContent = `score ${questions[chosen][SCORE].toFixed(3)}`;
  drawOriginal("original-question", originalQuestion(chosen), questionOf(chosen));
  if (hasAnswers) drawOriginal("original-answer", originalAnswer(chosen) || "no answer", answerOf(chosen) || "no answer");
  byId("undo").disabled = !done.length;
  byId("redo").disabled = !undone.length;
};

const drawOriginal = (id, original, now) => {
  byId(id).hidden = oneLine(original) === oneLine(now);
  byId(id).querySelector("del").textContent = original;
};

const drawProgress = () => {
  byId("progress").textContent = `${nRead.toLocaleString("en")} of ${questions.length.toLocaleString("en")} read`;
  byId("bar").value = nRead;
};

const progress = () => byId("progress").textContent;

// ---- Decisions about the chosen question

const verdict = (made, what) => {
  if (chosen < 0) return;
  closeEditor(true);
  decide([[questions[chosen][ID], made(decisionOf(chosen) ?? {})]]);
  move(1);
  say(`${what}. ${progress()}.`);
};

const keep = () => verdict(({question, answer}) => ({
  decision: "keep", ...(question !== undefined && {question}), ...(answer !== undefined && {answer}),
}), "Kept");

const drop = (reason) => verdict(() => ({decision: "drop", ...(reason && {reason})}), reason ? `Dropped: ${reason}` : "Dropped");

const stepTo = (step, what) => {
  if (!step) return say(`Nothing to ${what === "Undone" ? "undo" : "redo"}.`);
  const index = step.length === 1 ? indicesOf.get(step[0].id)?.[0] : undefined;
  if (index !== undefined) choose(index);
  refresh();
  say(`${what}${step.length > 1 ? `: ${counted(step.length, "decision")}` : ""}. ${progress()}.`);
};
const undo = () => {
  closeEditor(false);
  stepTo(stepBack(), "Undone");
};
const redo = () => {
  closeEditor(false);
  stepTo(stepAgain(), "Done again");
};

// ---- The editor

let focusedBefore;

const openEditor = () => {
  if (chosen < 0) return;
  focusedBefore = document.activeElement;
  panel.classList.add("editing");
  editor.hidden = false;
  byId("edit-question").value = questionOf(chosen);
  byId("edit-answer").value = answerOf(chosen);
  byId("edit-problem").textContent = "";
  byId("edit-question").focus();
  byId("edit-question").select();
};

// Closes the editor; what was written is kept unless the reader cancels or there is no question left.
const closeEditor = (isKept) => {
  if (editor.hidden) return;
  if (isKept) saveEdit();
  const hadFocus = editor.contains(document.activeElement);
  editor.hidden = true;
  panel.classList.remove("editing");
  if (hadFocus) (focusedBefore?.isConnected && focusedBefore !== document.body ? focusedBefore : byId("edit")).focus({preventScroll: true});
};

const saveEdit = () => {
  const question = oneLine(byId("edit-question").value), answer = oneLine(byId("edit-answer").value);
  if (!question || (question === oneLine(questionOf(chosen)) && answer === oneLine(answerOf(chosen)))) return;
  const row = questions[chosen], made = {decision: "keep"};
  if (question !== oneLine(row[QUESTION])) made.question = question;
  if (answer !== oneLine(row[ANSWER])) made.answer = answer;
  decide([[row[ID], made]]);
  refresh();
  say(`Edited. ${progress()}.`);
};

const submitEdit = () => {
  if (oneLine(byId("edit-question").value)) return closeEditor(true);
  byId("edit-problem").textContent = "A question cannot be empty. Drop it instead.";
  byId("edit-question").focus();
};

editor.addEventListener("submit", (event) => {
  event.preventDefault();
  submitEdit();
});
editor.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Escape") closeEditor(false);
  else if (event.key === "Enter" && event.target.tagName === "TEXTAREA") submitEdit();
  else return;
  event.preventDefault();
  event.stopPropagation();
});

for (const [id, act] of Object.entries({keep, drop: () => drop(), edit: openEditor, undo, redo})) byId(id).addEventListener("click", act);
for (const button of document.querySelectorAll("[data-reason]")) button.addEventListener("click", () => drop(button.dataset.reason));
byId("cancel").addEventListener("click", () => closeEditor(false));
