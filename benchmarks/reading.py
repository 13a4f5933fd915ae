"""Measure what reading costs: as a share of a run, against bare libraries, and in memory.

    python benchmarks/reading.py DIRECTORY [--chunks 300] [--rounds 3]

DIRECTORY holds documents in the folders ``html``, ``pdf``, ``docx`` and ``epub``. The share of a run is
the CPU time of reading all of them, divided by that of reading, chunking and generating. The time of
the engine is measured for a random sample of the chunks, and scaled to all. PDFs are read in this
process here, as the process of a run reads them. HTML is compared with trafilatura, which must be
installed. Peak memory is that of a new process.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from measuring import interleave, run_python, show

from qgbatch import CacheSettings, Document, Settings
from qgbatch.errors import DocumentError
from qgbatch.pipeline.components import Components
from qgbatch.readers.omissions import Omissions
from qgbatch.readers.pdf import read_pages
from qgbatch.readers.reading import read_document

FORMATS = ("html", "pdf", "docx", "epub")
N_PAGES = 500
N_TABLE_BYTES = 1_000_000_000
READ_ALL = (
    "import sys; from qgbatch import FileSettings; from qgbatch.readers.reading import read_documents; {}"
)
READ_PDF = READ_ALL.format(
    "from qgbatch.readers.omissions import Omissions; from qgbatch.readers.pdf import read_pages; "
    "read_pages(open(sys.argv[1], 'rb').read(), sys.argv[1], Omissions(''))"
)
READ_TABLE = READ_ALL.format("print(sum(1 for _ in read_documents(sys.argv[1], FileSettings())))")
BARE_PDF = (
    "import sys, pypdfium2; document = pypdfium2.PdfDocument(sys.argv[1]); "
    "print(sum(len(page.get_textpage().get_text_range()) for page in document))"
)
BARE_TABLE = "import sys, csv; print(sum(1 for _ in csv.DictReader(open(sys.argv[1], encoding='utf-8'))))"


def read(path: Path) -> Document | None:
    """The document as a run reads it, or ``None`` if it cannot be read."""
    try:
        if path.suffix != ".pdf":
            return read_document(str(path))
        return Document.from_text(*_pages(path))
    except DocumentError:
        return None


def _pages(path: Path) -> tuple[str, str, tuple[int, ...]]:
    text, page_starts = read_pages(path.read_bytes(), str(path), Omissions(str(path)))
    return text, str(path), page_starts


def extract_bare(path: Path) -> None:
    """The text as the bare library gives it."""
    if path.suffix == ".pdf":
        import pypdfium2

        with pypdfium2.PdfDocument(path) as document:
            for page in document:
                page.get_textpage().get_text_range()
    else:
        import_module("trafilatura").extract(path.read_bytes())


def cpu_seconds(paths: list[Path], work: Callable[[Path], object]) -> Callable[[], float]:
    """A contender that returns the CPU time of the work for all files."""

    def measure() -> float:
        start = time.process_time()
        for path in paths:
            work(path)
        return time.process_time() - start

    return measure


def share_of_a_run(paths: list[Path], n_sampled: int) -> list[dict[str, object]]:
    """CPU seconds of reading, chunking and generating, and the share of each."""
    components = Components.find(Settings(), CacheSettings().directory)
    components.load()
    start = time.process_time()
    documents = [document for path in paths if (document := read(path))]
    after_reading = time.process_time()
    chunks = [chunk for document in documents for chunk in components.chunks(document)]
    after_chunking = time.process_time()
    sampled = random.Random(5).sample(chunks, min(n_sampled, len(chunks)))
    start_of_engine = time.process_time()
    for _ in components.generate(components.batches([chunk.input_ids for chunk in sampled])):
        pass
    generating = (time.process_time() - start_of_engine) * len(chunks) / len(sampled)
    stages = {
        f"reading {len(documents)} documents": after_reading - start,
        f"chunking to {len(chunks):,} chunks": after_chunking - after_reading,
        f"generating, from {len(sampled)} chunks": generating,
    }
    total = sum(stages.values())
    return [
        {"stage": name, "CPU s": f"{seconds:,.1f}", "share": f"{seconds / total:.1%}"}
        for name, seconds in stages.items()
    ]


def compare(paths: list[Path], n_rounds: int) -> list[dict[str, object]]:
    """The readers of PDF and HTML against the libraries that they use."""
    rows = []
    for suffix, library in ((".pdf", "pypdfium2"), (".html", "trafilatura")):
        some = [path for path in paths if path.suffix == suffix]
        contenders = {"ours": cpu_seconds(some, read), "bare": cpu_seconds(some, extract_bare)}
        results = interleave(contenders, n_rounds)
        ratios = [ours / bare for ours, bare in zip(results["ours"], results["bare"], strict=True)]
        rows.append(
            {
                "format": suffix[1:],
                "files": len(some),
                "CPU s": f"{statistics.median(results['ours']):.2f}",
                "vs. the bare library": f"{statistics.median(ratios):.2f} ({library})",
            }
        )
    return rows


def memory(paths: list[Path]) -> list[dict[str, object]]:
    """Peak memory and CPU time of new processes that read a long PDF and large tables."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for what, path, code, bare in (
            (f"PDF of {N_PAGES} pages", write_pdf(Path(name), paths), READ_PDF, BARE_PDF),
            ("CSV of 10 MB", write_table(Path(name), N_TABLE_BYTES // 100), READ_TABLE, BARE_TABLE),
            ("CSV of 1 GB", write_table(Path(name), N_TABLE_BYTES), READ_TABLE, BARE_TABLE),
        ):
            ours, plain = run_python("-c", code, str(path)), run_python("-c", bare, str(path))
            rows.append(
                {
                    "file": what,
                    "peak MiB": round(ours.peak_mib),
                    "bare, peak MiB": round(plain.peak_mib),
                    "CPU s": f"{ours.cpu_seconds:.1f}",
                    "vs. bare": f"{ours.cpu_seconds / plain.cpu_seconds:.1f}",
                }
            )
    return rows


def write_pdf(directory: Path, paths: list[Path]) -> Path:
    """A PDF of :data:`N_PAGES` pages, from those of the PDFs."""
    import pypdfium2

    made, target = pypdfium2.PdfDocument.new(), directory / "long.pdf"
    sources = [path for path in paths if path.suffix == ".pdf"]
    while len(made) < N_PAGES:
        for path in sources:
            with pypdfium2.PdfDocument(path) as source:
                made.import_pages(source, list(range(min(len(source), N_PAGES - len(made)))))
    made.save(target)
    return target


def write_table(directory: Path, n_bytes: int) -> Path:
    """A CSV file of rows of about 1 kB."""
    target = directory / f"{n_bytes}.csv"
    text = "The ferry crosses the river every hour, and it takes people to the market. " * 13
    with target.open("w", encoding="utf-8") as stream:
        stream.write("id,text\n")
        for number in range(n_bytes // 1000):
            stream.write(f'{number},"{text}"\n')
    return target


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--chunks", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    paths = [path for name in FORMATS for path in sorted((arguments.directory / name).glob(f"*.{name}"))]
    if not paths:
        parser.error(f"{arguments.directory} holds none of {', '.join(FORMATS)}.")
    # Memory first: Linux counts the memory of this process as that of a process that it starts.
    show("Memory of reading", memory(paths))
    for path in paths:  # the imports, and warm files
        if path.suffix != ".pdf" or path.stat().st_size < 1_000_000:
            read(path)
    show("Reading, compared with the libraries behind it", compare(paths, arguments.rounds))
    show(f"CPU time of a run over {len(paths)} documents, small", share_of_a_run(paths, arguments.chunks))


if __name__ == "__main__":
    main()
