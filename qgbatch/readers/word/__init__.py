"""The parts of a Word document to text: what the reader of .docx files is made of."""
