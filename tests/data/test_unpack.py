"""Archives, friendly and hostile: all of it or nothing, and nothing outside of the folder."""

import gzip
import io
import os
import random
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from visionpeft.data import archive as archive_module
from visionpeft.data import unfinished, unpack
from visionpeft.data.official import Remote
from visionpeft.data.task import DataError
from visionpeft.data.unfinished import WORK, half_moved
from visionpeft.data.unpack import forget, unpacked

TREE = {f"images/{i % 3}/{i}.jpg": random.Random(i).randbytes(700 + i) for i in range(30)} | {"list.txt": b"a list\n"}


def as_zip(tree: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, body in tree.items():
            zipped.writestr(name, body)
    return buffer.getvalue()


def as_tar(tree: dict[str, bytes], mode: str = "w") -> bytes:
    return tar_of([(tarfile.TarInfo(name), body) for name, body in tree.items()], mode)


def tar_of(entries: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for info, body in entries:
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


FORMS = {
    "zip": as_zip(TREE),
    "tar": as_tar(TREE),
    "tar.gz": as_tar(TREE, "w:gz"),
    "tar.bz2": as_tar(TREE, "w:bz2"),
    "tar.xz": as_tar(TREE, "w:xz"),
}


def tree(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder but ours and the archive."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: body for name, body in found.items() if not name.startswith((WORK, "set."))}


def given(folder: Path, body: bytes, name: str = "set.archive") -> Remote:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(body)
    return Remote((), name, "md5:0", len(body))


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_becomes_its_files(tmp_path, form):
    """Whatever its name says."""
    remote = given(tmp_path, FORMS[form])
    assert not unpacked(remote, tmp_path)
    unpack.unpack(remote, tmp_path)
    assert tree(tmp_path) == TREE and unpacked(remote, tmp_path) and half_moved(tmp_path) is None
    assert sorted(path.name for path in (tmp_path / WORK).iterdir()) == ["set.archive.done", "set.archive.lock"]


def test_one_file_in_gzip_loses_its_ending(tmp_path):
    unpack.unpack(given(tmp_path, gzip.compress(b"matrix" * 1000), "data.mat.gz"), tmp_path)
    assert (tmp_path / "data.mat").read_bytes() == b"matrix" * 1000


def test_an_archive_in_a_folder_of_its_own_unpacks_into_the_data_sets(tmp_path):
    (tmp_path / "parts").mkdir()
    unpack.unpack(given(tmp_path, FORMS["zip"], "parts/set.zip"), tmp_path)
    assert (tmp_path / "list.txt").read_bytes() == b"a list\n"


def test_two_archives_share_folders_and_replace_what_is_old(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "old.jpg").write_bytes(b"old")
    unpack.unpack(given(tmp_path, FORMS["zip"], "set.a"), tmp_path)
    unpack.unpack(given(tmp_path, as_tar({"images/old.jpg": b"new", "images/9/9.jpg": b"9"}), "set.b"), tmp_path)
    assert tree(tmp_path) == TREE | {"images/old.jpg": b"new", "images/9/9.jpg": b"9"}


def test_what_was_unpacked_is_not_unpacked_again_unless_asked(tmp_path):
    remote = given(tmp_path, FORMS["zip"])
    unpack.unpack(remote, tmp_path)
    (tmp_path / "list.txt").unlink()
    unpack.unpack(remote, tmp_path)
    assert not (tmp_path / "list.txt").exists()
    forget(remote, tmp_path)
    unpack.unpack(remote, tmp_path)
    assert tree(tmp_path) == TREE
    assert not unpacked(Remote((), "set.archive", "md5:1", remote.size), tmp_path)  # a newer release is another archive


def test_names_as_windows_and_careless_people_write_them(tmp_path):
    unpack.unpack(given(tmp_path, as_tar({"./a//b.jpg": b"1", "c\\d.jpg": b"2"})), tmp_path)
    assert tree(tmp_path) == {"a/b.jpg": b"1", "c/d.jpg": b"2"}


def test_modes_in_the_archive_do_not_matter(tmp_path):
    info = tarfile.TarInfo("tool")
    info.mode = 0o6777
    unpack.unpack(given(tmp_path, tar_of([(info, b"x")])), tmp_path)
    assert stat.S_IMODE((tmp_path / "tool").stat().st_mode) & 0o7111 == 0


def special(kind: bytes, target: str = "") -> bytes:
    info = tarfile.TarInfo("images/odd")
    info.type, info.linkname = kind, target
    return tar_of([(tarfile.TarInfo("images/fine"), b"fine"), (info, b"")])


def zip_link() -> bytes:
    info = zipfile.ZipInfo("images/odd")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("images/fine", b"fine")
        zipped.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def encrypted() -> bytes:
    body = bytearray(as_zip({"a": b"a"}))
    for offset, mark in ((6, b"PK\x03\x04"), (8, b"PK\x01\x02")):
        body[body.index(mark) + offset] |= 1
    return bytes(body)


def overlapping() -> bytes:
    """Return a zip whose ten entries are the same kilobytes, as in bombs that need no nesting."""
    body = as_zip({"a": random.Random(0).randbytes(5000)})
    central, end = body.index(b"PK\x01\x02"), body.index(b"PK\x05\x06")
    entry = body[central:end]
    tail = body[end : end + 8] + struct.pack("<HHII", 10, 10, 10 * len(entry), central) + b"\0\0"
    return body[:central] + 10 * entry + tail


def sparse() -> bytes:
    """Return a tar whose only file claims 8 exabytes."""
    info = tarfile.TarInfo("a")
    info.size = 1 << 63
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


def negative() -> bytes:
    body = bytearray(as_tar({"a": b"a"}))
    body[124:136] = b"\xff" * 11 + b"\0"  # -256 as GNU tar writes numbers that do not fit
    body[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(body[:512]))[0]
    return bytes(body)


HOSTILE = {
    "zip, ..": (as_zip({"fine": b"1", "../evil": b"2"}), "member '../evil' that leaves its folder"),
    "zip, .. in the middle": (as_zip({"a/../../evil": b"2"}), "leaves its folder"),
    "zip, absolute": (as_zip({"/evil": b"2"}), "leaves its folder"),
    "zip, backslashes": (as_zip({"..\\evil": b"2"}), "leaves its folder"),
    "zip, drive": (as_zip({"C:/evil": b"2"}), "leaves its folder"),
    "zip, our own folder": (as_zip({f"{WORK}/set.archive.done": b"2"}), "leaves its folder"),
    "zip, link": (zip_link(), "'images/odd' that is a link"),
    "zip, encrypted": (encrypted(), "that is encrypted"),
    "zip, overlapping": (overlapping(), "members that overlap"),
    "zip, bomb": (as_zip({f"{i}": bytes(1_000_000) for i in range(4)}), "claims to hold more than"),
    "tar, ..": (as_tar({"fine": b"1", "../evil": b"2"}, "w:gz"), "member '../evil' that leaves its folder"),
    "tar, absolute": (as_tar({"/evil": b"2"}), "leaves its folder"),
    "tar, symlink": (special(tarfile.SYMTYPE, "/etc"), "that is a link"),
    "tar, harmless symlink": (special(tarfile.SYMTYPE, "fine"), "that is a link"),
    "tar, hard link": (special(tarfile.LNKTYPE, "images/fine"), "that is a link"),
    "tar, device": (special(tarfile.CHRTYPE), "that is no plain file"),
    "tar, pipe": (special(tarfile.FIFOTYPE), "that is no plain file"),
    "tar, bomb": (as_tar({f"{i}": bytes(1_000_000) for i in range(4)}, "w:gz"), "claims to hold more than"),
    "tar, more than there is": (sparse(), "claims to hold more than|damaged|no zip"),
    "tar, less than nothing": (negative(), "claims to hold|damaged|no zip"),
    "gz, bomb": (gzip.compress(b"1" * 4_000_000), "claims to hold more than"),
    "too many": (as_tar({f"{i}": b"" for i in range(60)}), "more than 50 files"),
    "rar": (b"Rar!\x1a\x07\x00", "is a rar or 7z archive, which is not read here: unpack it into .* with `unrar x`"),
    "a web page": (b"<!DOCTYPE html>", "no zip, tar or gz archive, it begins with b'<!DOCTYP'"),
    "zip of nothing": (as_zip({}), "holds no files"),
    "tar of nothing": (as_tar({}), "holds no files"),
    "gz of nothing but zeros": (gzip.compress(bytes(4_000_000)), "holds no files"),
    "empty": (b"", "no zip, tar or gz archive"),
    "tar of nothing but a bad header": (b"\1" * 10240, "no zip, tar or gz archive"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_before_anything_is_written(tmp_path, monkeypatch, case):
    monkeypatch.setattr(archive_module, "FLOOR", 3_000_000)
    monkeypatch.setattr(archive_module, "MEMBERS", 50)
    body, message = HOSTILE[case]
    folder = tmp_path / "set"
    remote = given(folder, body)
    monkeypatch.setattr(Path, "mkdir", spying(Path.mkdir, made := []))
    with pytest.raises(DataError, match=message):
        unpack.unpack(remote, folder)
    assert {path.name for path in made} <= {WORK}
    assert tree(tmp_path) == {"set/set.archive": body} or tree(tmp_path).keys() <= {
        "set/set.archive",
        f"set/{WORK}/set.archive.lock",
    }


def spying(function, seen: list):
    def spy(path, *words, **more):
        seen.append(path)
        return function(path, *words, **more)

    return spy


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_archive_leaves_nothing(tmp_path, form):
    """Cut anywhere, or with a wrong byte anywhere: a message, or every file as it was; nothing in between."""
    body = FORMS[form]
    rng = random.Random(0)
    cuts = [body[: rng.randrange(1, len(body))] for _ in range(20)]
    flips = []
    for _ in range(40):
        place = rng.randrange(len(body))
        flips.append(body[:place] + bytes([body[place] ^ rng.randrange(1, 256)]) + body[place + 1 :])
    refused = 0
    for i, damaged in enumerate(cuts + flips):
        folder = tmp_path / str(i)
        remote = given(folder, damaged)
        try:
            unpack.unpack(remote, folder)
        except DataError:
            refused += 1
            assert tree(folder) == {} and not unpacked(remote, folder)
            assert not list((folder / WORK).glob("*ing")) and half_moved(folder) is None
        else:
            if i < len(cuts) or form != "tar":  # a cut through the padding; a byte of the padding or of a name
                assert sorted(tree(folder).values()) == sorted(TREE.values()), i
            else:  # plain tar has no checksum of its content, the archive's digest guards that; the number is right
                assert len(tree(folder)) == len(TREE)
    assert refused >= 14


def test_a_member_that_is_a_file_and_a_folder_is_an_error(tmp_path):
    remote = given(tmp_path, as_tar({"a": b"1", "a/b": b"2"}))
    with pytest.raises(DataError, match="cannot be written"):
        unpack.unpack(remote, tmp_path)
    assert tree(tmp_path) == {}


def test_no_room_is_known_before_anything_is_written(tmp_path, monkeypatch):
    class Usage:
        free = 60_000

    monkeypatch.setattr(unfinished.shutil, "disk_usage", lambda path: Usage)
    remote = given(tmp_path, as_zip({"a": bytes(50_000), "b": bytes(30_000)}))
    with pytest.raises(DataError, match=r"no room for the content of set\.archive in .*: 88\.2 kB needed, 60\.0 kB fr"):
        unpack.unpack(remote, tmp_path)
    assert tree(tmp_path) == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits the size of files as Unix does")
def test_a_disk_that_fills_up_leaves_nothing(tmp_path):
    import resource

    remote = given(tmp_path, FORMS["zip"] + b"")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (710, hard))
    try:
        with pytest.raises(DataError, match=r"no room for the content of set\.archive"):
            unpack.unpack(remote, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert tree(tmp_path) == {}
    unpack.unpack(remote, tmp_path)
    assert tree(tmp_path) == TREE


@pytest.mark.parametrize("moved", range(3))
def test_a_process_killed_while_it_moves_is_noticed_and_its_work_finished(tmp_path, monkeypatch, moved):
    remote = given(tmp_path, as_zip({"images/1": b"1", "labels/1": b"2", "list": b"3"}))
    replace, count = os.replace, iter(range(99))

    def killed(*words):
        if next(count) == moved:
            raise KeyboardInterrupt
        replace(*words)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "replace", killed)
        unpack.unpack(remote, tmp_path)
    assert len(tree(tmp_path)) == moved
    assert "give the command that got the data again" in half_moved(tmp_path)
    monkeypatch.setattr(unpack, "_write", None)  # nothing is unpacked a second time
    unpack.unpack(remote, tmp_path)
    assert len(tree(tmp_path)) == 3 and half_moved(tmp_path) is None and unpacked(remote, tmp_path)
