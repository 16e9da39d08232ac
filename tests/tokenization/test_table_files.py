"""The one reader of tables gives every cell of the file as it was written, or refuses the file and says where."""

import codecs
import csv
import importlib.util
import io
import json
import os
import random
import re

import pandas
import pyarrow
import pyarrow.csv
import pytest

from tokenization.table_files import TableFormat, read_delimited, read_rows

TABLES = int(os.environ.get("MINIBERT_FUZZ_TABLES", "400"))  # 20,000 take a few minutes
PIECES = [
    "a",
    "kata",
    "é",
    "好",
    "👍",
    '"',
    '""',
    ",",
    ";",
    "\t",
    "|",
    " ",
    "\n",
    "\r\n",
    "\r",
    "'",
    "\\",
    '\\"',
    "0",
    "007",
    "1.50",
]
PIECES += ["-3", "NA", "None", "null", "nan", "true", "#", "\u2028", "\x85", "\x0b", "\ufeff", "=1+1", "%", "{", "1e5"]
WESTERN = set("".join(PIECES)) - set("好👍\u2028\ufeff\x85")
REFUSAL = re.compile(r"cannot be read: .*(line \d+ \((row \d+|header)\)|header)|byte \d+", re.DOTALL)


def random_cell(draw, plain):
    cell = "".join(draw.choice(PIECES) for _ in range(draw.choice([0, 1, 1, 2, 3, 6])))
    return "".join(character for character in cell if character in WESTERN) if plain else cell


def write_by_hand(table, delimiter, end, draw):
    """Quote where it is needed and here and there where it is not; the last line may have no end."""

    def one(cell):
        needed = any(character in cell for character in f'{delimiter}"\r\n')
        return '"' + cell.replace('"', '""') + '"' if needed or draw.random() < 0.2 else cell

    lines = [delimiter.join(map(one, row)) for row in table]
    last = "" if draw.random() < 0.3 and lines[-1] else end
    return end.join(lines) + last


def write_by_csv(table, delimiter, end, draw):
    file = io.StringIO(newline="")
    quoting = draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(table)
    return file.getvalue()


def write_by_pandas(table, delimiter, end, draw):
    frame = pandas.DataFrame(table[1:], columns=table[0], dtype=object)
    return frame.to_csv(sep=delimiter, lineterminator=end, index=False, quoting=draw.choice([0, 1, 2]))


def write_by_pyarrow(table, delimiter, end, draw):
    columns = {name: [row[number] for row in table[1:]] for number, name in enumerate(table[0])}
    file = io.BytesIO()
    schema = pyarrow.schema([(name, pyarrow.string()) for name in table[0]])
    pyarrow.csv.write_csv(pyarrow.table(columns, schema), file, pyarrow.csv.WriteOptions(delimiter=delimiter))
    return file.getvalue().decode()


def write_by_polars(table, delimiter, end, draw):
    import polars

    frame = polars.DataFrame({name: [row[i] for row in table[1:]] for i, name in enumerate(table[0])})
    return frame.write_csv(
        separator=delimiter, line_terminator=end, quote_style=draw.choice(["necessary", "always", "non_numeric"])
    )


WRITERS = [write_by_hand, write_by_csv, write_by_pandas, write_by_pyarrow]
WRITERS += [write_by_polars] if importlib.util.find_spec("polars") else []


def random_file(path, seed):
    """Write a random table; return the table, the path and the options to read it with."""
    draw = random.Random(seed)
    encoding = draw.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
    names = draw.sample(["text", "label", "teks kedua", "id", "catatan é"], draw.randint(1, 4))
    rows = [[random_cell(draw, encoding == "cp1252") for _ in names] for _ in range(draw.randint(0, 8))]
    extension, delimiter = draw.choice([("csv", ","), ("tsv", "\t"), ("csv", ";"), ("csv", "|"), ("tsv", ",")])
    usual = delimiter == ("\t" if extension == "tsv" else ",")
    writer = draw.choice(WRITERS)
    text = writer([names, *rows], delimiter, draw.choice(["\n", "\n", "\r\n", "\r"]), draw)
    path = path / f"{seed}.{extension}"
    path.write_bytes(text.encode(encoding))
    has_mark = encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32")
    options = {"delimiter": None if usual else delimiter, "encoding": None if has_mark else encoding}
    return [names, *rows], path, TableFormat(**options), writer


def test_random_tables_come_back_cell_by_cell_or_are_refused_with_their_row(tmp_path):
    """Writers are Python's csv, pandas, pyarrow, polars where it is installed, and one by hand.

    A writer that leaves a lone line end unquoted makes a file that has more than one meaning: it is refused.
    """
    refused = {writer: 0 for writer in WRITERS}
    read = dict(refused)
    for seed in range(TABLES):
        table, path, layout, writer = random_file(tmp_path, seed)
        try:
            found = [cells for _, cells in read_delimited(path, layout)]
        except ValueError as error:
            assert REFUSAL.search(str(error)), error
            refused[writer] += 1
        else:
            assert found == table, (seed, path.read_bytes())
            read[writer] += 1
        path.unlink()
    print({writer.__name__: (read[writer], refused[writer]) for writer in WRITERS})
    for writer in WRITERS:
        assert read[writer] > 0.9 * (read[writer] + refused[writer]), writer  # it does not refuse what it could read


def test_random_damage_is_refused_or_changes_no_other_row(tmp_path):
    """A separator too many, a row cut short, or a quotation mark that opens nothing, in one row of a clean file."""
    for seed in range(TABLES):
        draw = random.Random(seed)
        rows = [[f"teks {number} {draw.choice('abc')}", draw.choice("012")] for number in range(draw.randint(5, 30))]
        lines = [",".join(row) for row in rows]
        place = draw.randrange(len(rows))
        damage = draw.choice(["separator", "short", "open", "open twice", "open and close"])
        other = draw.randrange(place, len(rows))
        if damage == "separator":
            lines[place] = lines[place].replace(" ", ", ", 1)
        elif damage == "short":
            lines[place] = rows[place][0]
        else:
            lines[place] = '"' + lines[place]
            if damage == "open twice":
                lines[other] = '"' + lines[other]
            elif damage == "open and close":
                if other == place:
                    continue
                lines[other] = f'{rows[other][0]}",{rows[other][1]}'
        path = tmp_path / "damaged.csv"
        path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
        with pytest.raises(ValueError, match=rf"line {place + 2} \(row {place}\)"):
            list(read_delimited(path))


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
@pytest.mark.parametrize("extension", ["csv", "tsv", "jsonl", "json"])
def test_a_byte_order_mark_tells_the_encoding_and_utf_16_without_one_is_named(extension, encoding, mark, tmp_path):
    rows = [{"text": "kopi é 好", "label": "1"}, {"text": "teh", "label": "0"}]
    if extension in ("csv", "tsv"):
        separator = "," if extension == "csv" else "\t"
        text = "\n".join(separator.join(row) for row in (("text", "label"), *(row.values() for row in rows)))
    else:
        text = json.dumps(rows) if extension == "json" else "\n".join(map(json.dumps, rows))
    marks = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE, "utf-8": codecs.BOM_UTF8}
    path = tmp_path / f"a.{extension}"
    path.write_bytes((marks[encoding] if mark else b"") + text.encode(encoding))
    assert [row for _, row in read_rows(path, TableFormat(encoding=encoding))] == rows
    if mark or encoding == "utf-8":
        assert [row for _, row in read_rows(path)] == rows
    else:
        with pytest.raises(ValueError, match=rf"UTF-16 without a byte-order mark.*--encoding {encoding}"):
            list(read_rows(path))


def test_utf_16_of_few_ascii_characters_is_named_and_a_nul_in_utf_8_is_a_character(tmp_path):
    path = tmp_path / "a.csv"
    text = "text,label\n" + "\n".join("好" * 300 + ",1" for _ in range(20))
    for encoding in ("utf-16-le", "utf-16-be"):
        path.write_bytes(text.encode(encoding))
        assert path.read_bytes()[:4096].count(0) < 4096 // 8  # the premise
        with pytest.raises(ValueError, match=f"--encoding {encoding}"):
            list(read_delimited(path))
        path.write_bytes(text[len("text,label\n") :].encode(encoding))  # begins with such a character
        with pytest.raises(ValueError, match=f"--encoding {encoding}"):
            list(read_delimited(path))
    path.write_bytes(b"text,label\na\0b,\0\nc,1\n")
    assert [cells for _, cells in read_delimited(path)][1:] == [["a\0b", "\0"], ["c", "1"]]


BAD = {
    "a cell too many": ("a.csv", "text,label\na,0\nb,c,1\n", r"line 3 \(row 1\) has 3 cells, the header has 2"),
    "a trailing comma": ("a.csv", "text,label\na,0,\n", r"line 2 \(row 0\) has 3 cells"),
    "a cell too few": ("a.tsv", "text\tlabel\na\t0\n\nb\n", r"line 4 \(row 1\) has 1 cells.*separator tab"),
    "one column": ("a.csv", "text\nsatu, dua\n", r"line 2 \(row 0\) has 2 cells, the header has 1 \('text'\)"),
    "backslashes": (
        "a.csv",
        'text,label\n"dia: \\"ya\\", lalu",0\n',
        r"line 2 \(row 0\).*quotation mark.*--quotes false",
    ),
    "semicolons": ("a.csv", "text;label\na;0\n", r"header 'text;label' is one column.*--delimiter ';'"),
    "tabs": ("a.csv", "text\tlabel\na\t0\n", r"is one column.*--delimiter tab"),
    "commas in a tsv": ("a.tsv", "text,label\na,0\n", r"is one column.*--delimiter ','"),
    "semicolons and a comma": ("a.csv", "text;a,label\na;0\n", r"has 1 cells.*if ';' is the separator"),
    "a lone line end": ("a.csv", "text,label\na\rb,0\n", r"line 2 \(row 0\) ends with '\\r', the header with '\\n'"),
    "two kinds of line ends": ("a.csv", "text,label\na,0\nb,1\r\n", r"line 3 \(row 1\) ends with '\\r\\n'"),
    "a name twice": ("a.csv", "text,label,text\na,0,b\n", "names the column 'text' twice"),
    "a note of a spreadsheet": ("a.csv", "sep=;\ntext;label\na;0\n", "first line, 'sep=;', is a note of a spreadsheet"),
    "blank": ("a.csv", "\n\n", "it has no header"),
    "a key twice": ("a.jsonl", '{"a": 1}\n{"a": 1, "a": 2}\n', r"line 2 \(row 1\): an object has the key 'a' twice"),
    "not an object": ("a.jsonl", '{"a": 1}\n[1]\n', r"line 2 \(row 1\) is \[1\], not an object"),
    "not json": ("a.jsonl", '{"a": 1}\n{"a"\n', r"line 2 \(row 1\) is not json: .* at character 5"),
    "a broken list": ("a.json", '[{"a": 1},\n{"a": }]', "line 2 column 7"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD.values(), ids=list(BAD))
def test_what_is_ambiguous_is_refused_with_the_row_and_what_to_do(name, content, message, tmp_path):
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    with pytest.raises(ValueError, match=message):
        list(read_rows(tmp_path / name))


def test_a_text_of_several_lines_is_one_cell_unless_its_lines_look_like_rows(tmp_path):
    path = tmp_path / "a.csv"
    labels = [f"kata {number},{number % 3}" for number in range(12)]
    for text, is_text in [('"satu, dua\ntiga",1', True), ('"satu,1\ndua",2', False), ('"a, b\nc, d\ne, f",1', True)]:
        path.write_text("\n".join(["text,label", *labels, text]), encoding="utf-8")
        if is_text:
            assert list(read_delimited(path))[-1][1] == [text[1:-3], text[-1]]
        else:
            with pytest.raises(ValueError, match=r"line 14 \(row 12\) goes on to line 15.*looks like a row"):
                list(read_delimited(path))
    # Pairs of texts, without a column of few values: four lines are rows, three may be a text.
    pairs = [f"satu {number},one {number}" for number in range(9)]
    for count in (3, 4):
        lines = pairs[:count]
        lines[0], lines[-1] = '"' + lines[0], lines[-1].replace(",", '",')
        path.write_text("\n".join(["id,en", *pairs[count:], *lines]), encoding="utf-8")
        if count == 3:
            assert len(list(read_delimited(path))) == 1 + 6 + 1
        else:
            with pytest.raises(ValueError, match=r"line 7 \(row 5\) goes on to line 10"):
                list(read_delimited(path))


def test_layouts_are_checked_and_quotation_marks_can_be_text(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"Kata\t1\n5" pipa\t0\n', encoding="utf-8")
    assert [cells for _, cells in read_delimited(path, TableFormat(quotes=False))][1:] == [
        ['"Kata', "1"],
        ['5" pipa', "0"],
    ]
    for delimiter in ("tab", "\\t", "\t"):
        assert TableFormat(delimiter).delimiter == "\t"
    for delimiter in ("", ";;", '"', "\n"):
        with pytest.raises(ValueError, match="delimiter is .* give one character"):
            TableFormat(delimiter)
    for encoding in ("utf-9", "base64"):
        with pytest.raises(ValueError, match=f"unknown encoding '{encoding}'"):
            list(read_delimited(path, TableFormat(encoding=encoding)))
    with pytest.raises(ValueError, match=r"byte 25 \(0xc3\) is not ASCII"):
        path.write_text("text\tlabel\nkata kata k\t0\né\t1\n", encoding="utf-8")
        list(read_delimited(path, TableFormat(encoding="ascii")))


def test_lines_appended_to_a_file_of_windows_are_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\r\na,0\r\n" + b"b,1\n")
    assert [cells for _, cells in read_delimited(path)] == [["text", "label"], ["a", "0"], ["b", "1"]]


def test_columns_without_a_name_and_very_long_cells_are_read(tmp_path):
    path = tmp_path / "a.csv"
    pandas.DataFrame({"text": ["kata " * 100_000, "b"]}).to_csv(path)  # with its index, whose column has no name
    (_, columns), (_, first), (_, second) = read_delimited(path)
    assert columns == ["Unnamed: 0", "text"] and first == ["0", "kata " * 100_000] and second == ["1", "b"]
