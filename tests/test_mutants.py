"""The table of planted faults fits the sources and the tests, and `--lecture-report` tells proofs from toys."""

from pathlib import Path

import pytest
from helpers import mutants
from helpers.lecture_report import ROWS, LectureReport
from helpers.mutants import Mutant, load_mutants, load_results, marked_rows, section_of, without_mutant

pytest_plugins = ["pytester"]
# Their markers are made from the headings of pages.
FROM_PAGES = "tests/examples/test_lesson_pages.py"


def has_marker(test: str, row: str) -> bool:
    path, _, name = test.partition("::")
    return path == FROM_PAGES or row in marked_rows(path).get(name.partition("[")[0], ())


@pytest.mark.parametrize("mutant", load_mutants(), ids=lambda mutant: mutant.fault)
def test_a_fault_can_be_planted_and_its_result_is_of_this_text_and_this_test(mutant):
    assert mutant.mutate(mutant.source()) != mutant.source()
    assert mutant.rows and set(mutant.rows) <= set(ROWS)
    result = load_results().get(mutant.fault)
    assert result and result["hash"] == mutant.hash, "changed: run python tests/run_mutants.py"
    assert set(result["rows"]) == set(mutant.rows)
    for row, test in result["rows"].items():
        assert test, f"{row} survives this fault: mend the test, or move its marker"
        assert test == "does not end" or has_marker(test, row), f"{test} has no marker of {row} any more"


def test_the_names_of_the_faults_differ_and_no_result_is_left_over():
    names = [mutant.fault for mutant in load_mutants()]
    assert len(names) == len(set(names)) and set(load_results()) == set(names)


def test_rows_without_a_fault_say_what_is_tested_instead():
    rows = without_mutant()
    assert set(rows) <= set(ROWS) and all(rows.values())
    assert not set(rows) & {row for mutant in load_mutants() for row in mutant.rows}


def test_a_text_that_is_not_there_once_is_refused(tmp_path, monkeypatch):
    mutant = Mutant("a fault", ("S1-01",), "a.py", "x = 1", "x = 2")
    assert mutant.mutate("y = 0\nx = 1\n") == "y = 0\nx = 2\n"
    for source in ("x = 1; x = 1", "x = 3"):
        with pytest.raises(ValueError, match=f"'a fault': the old text occurs {source.count('x = 1')} times in a.py"):
            mutant.mutate(source)
    page = "# Top\n## One\na\n### Deep\nb\n## Two\nc\n"
    assert section_of(page, "## One") == "## One\na\n### Deep\nb\n" and section_of(page, "## Two") == "## Two\nc\n"
    with pytest.raises(ValueError, match="no section begins with '## Three'"):
        section_of(page, "## Three")
    monkeypatch.setattr(mutants, "RESULTS", Path(tmp_path / "none.json"))
    assert load_results() == {} and mutants.killed_rows() == set()


def test_the_report_tells_what_calls_this_project_from_a_toy_and_from_a_skipped_test(pytester):
    pytester.makeconftest(
        """
        def pytest_collection_modifyitems(items):
            for item in items:
                rows = [row for mark in item.iter_markers("lecture") for row in mark.args]
                item.user_properties += [("lecture", row) for row in rows]
        """
    )
    pytester.makepyfile(
        """
        import subprocess, sys
        import pytest
        from modeling_minibert.answer_spans import best_answer_spans

        @pytest.fixture(scope="module")
        def answer():
            return best_answer_spans([1.0], [1.0], [True])

        @pytest.mark.lecture("S1-01")
        def test_calls():
            assert best_answer_spans([1.0], [1.0], [True])

        @pytest.mark.lecture("S1-02")
        def test_toy():
            assert sum([1, 2]) == 3

        @pytest.mark.lecture("S1-03")
        def test_first_use(answer):
            assert answer

        @pytest.mark.lecture("S1-04")
        def test_second_use(answer):
            assert answer

        @pytest.mark.lecture("S1-05")
        def test_other_program():
            subprocess.run([sys.executable, "-c", ""], check=True)

        @pytest.mark.lecture("S1-06")
        @pytest.mark.skip
        def test_skipped():
            pass

        @pytest.mark.lecture("S1-07")
        def test_fails():
            assert best_answer_spans([], [], []) == 1
        """
    )
    report = LectureReport()
    result = pytester.inline_run("-p", "no:cacheprovider", "-p", "no:randomly", plugins=[report])
    result.assertoutcome(passed=5, skipped=1, failed=1)
    assert report.proven == {"S1-01", "S1-02", "S1-03", "S1-04", "S1-05"}
    assert report.by_product == report.proven - {"S1-02"} and report.skipped == {"S1-06"}
