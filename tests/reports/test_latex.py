from __future__ import annotations

import subprocess
from pathlib import Path

from visionpeft.reports.build import tables
from visionpeft.reports.found import Found
from visionpeft.reports.latex import document, page
from visionpeft.reports.order import VTAB
from visionpeft.reports.reading import load

from .tools import program

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}
HOSTILE = (
    "[0.5em] *_%&#${}~^\\ \" <b> | ` -- ---", "é ñ ł ı î ą ế 中文 αβΣ ± µ", "\\input{/etc/passwd} $x^2$ %",
    "* first", "glora (supernet_epochs=10, population=20, parents=5, mutants=10)", "\ud800 \x00 a\nb\r\n\nc",
)  # fmt: skip


def drawn(runs) -> str:
    found, skipped = load(runs.root)
    return page(tables(found), skipped)


def test_groups_stand_above_their_columns_and_the_best_is_bold(runs) -> None:
    runs.suite(ALL, "lora", seeds=(0, 1, 2))
    runs.suite({task: value - 0.1 for task, value in ALL.items()}, "ssf", seeds=(0, 1, 2))
    text = drawn(runs)
    assert (
        " &  & \\multicolumn{3}{c}{\\emph{natural}} & \\multicolumn{3}{c}{\\emph{structured}} &  &  &  &  &  \\\\\n"
        "\\cmidrule(lr){3-5}\\cmidrule(lr){6-8}\n"
        "method & \\shortstack[r]{params\\\\(M)} & digits & letters & mean & count & location & mean & "
    ) in text
    assert (
        "\nlora & 0.295 & \\textbf{91.0} {\\scriptsize $\\pm$2.5} & \\textbf{81.0} {\\scriptsize $\\pm$2.5} & " in text
    )
    assert "\nssf & 0.295 & 81.0 {\\scriptsize $\\pm$2.5} & " in text


def test_the_caption_says_what_holds_for_every_number(runs) -> None:
    runs.suite(ALL, seeds=(0, 1))
    text = drawn(runs)
    weights, digest = runs.a_run()["backbone"]["weights_sha256"], runs.a_run()["data"]["splits"]["test"]["digest"]
    (caption,) = [line for line in text.splitlines() if line.startswith("\\caption")]
    for word in (
        "mini on vit\\_pico, recipe vtab. ", "\\textbf{2 seeds (0, 1)}", "selection: \\textbf{last epoch}",
        f"weights \\texttt{{{weights[:8]}}}", "mean 0.5 0.5 0.5, std 0.5 0.5 0.5", "data: rendered",
    ):  # fmt: skip
        assert word in caption
    assert f"digits 1,000 ({digest[:12]})" in text and f"test 1,000 {digest}" in text


def test_failures_cuts_and_what_is_not_counted_are_told(runs) -> None:
    splits = runs.a_run()["data"]["splits"]
    splits["test"] |= {"size": 600, "expected": 6149}
    runs.add(0.5, data__splits=splits)
    runs.add(None, "letters", seed=2, fields={"status": "oom", "scores": {}, "error": "50 % of x_1"})
    (runs.root / "mini" / "a--lora--s0--cut.json").write_text("{")
    text = drawn(runs)
    assert "digits$\\ddagger$ & letters" in text and " & $\\dagger$ & " in text
    assert "\n$\\dagger$ lora, letters, seed 2: out of memory (50 \\% of x\\_1)\\par" in text
    assert "\n% not counted: mini/a--lora--s0--cut.json: not readable as JSON" in text


def test_many_tasks_are_a_summary_and_a_table_for_each_group(runs) -> None:
    for task in VTAB:
        runs.add(0.5, task, task__suite="vtab", task__group="natural" if task in VTAB[:7] else "structured")
    text = drawn(runs)
    assert [line for line in text.splitlines() if line.startswith("\\label")] == [
        "\\label{tab:vtab-1}", "\\label{tab:vtab-1-1}", "\\label{tab:vtab-1-2}",
    ]  # fmt: skip
    assert "\\caption{natural, as in Table~\\ref{tab:vtab-1}.}" in text


def test_hostile_labels_compile(runs, tmp_path: Path) -> None:
    found = [
        Found(f"{i}", runs.a_record(0.5, label, runs.a_run(task, method__fields={"label": label})))
        for i, label in enumerate(HOSTILE)
        for task in ALL
    ]
    (tmp_path / "t.tex").write_text(document(page(tables(found), [])), encoding="ascii")
    command = [program("pdflatex"), "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Output written on t.pdf" in done.stdout and "Missing character" not in done.stdout
