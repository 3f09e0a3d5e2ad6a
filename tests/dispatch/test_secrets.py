import pytest

from engine.errors import OperatorError
from engine.ports import Secret
from engine.shells.secrets import read_secret, with_secrets
from sinks.webhook import Options


def test_a_secret_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("DESK", "hunter2")
    assert read_secret("env:DESK").reveal() == "hunter2"


def test_a_secret_comes_from_a_file_without_its_line_end(tmp_path):
    (tmp_path / "desk").write_text("hunter2\n")
    assert read_secret("file:desk", str(tmp_path)).reveal() == "hunter2"


@pytest.mark.parametrize("reference", ["env:NOT_SET_ANYWHERE", "file:no-such-file", "file:."])
def test_a_missing_secret_is_named_by_its_reference(reference, tmp_path):
    with pytest.raises(OperatorError, match=reference):
        read_secret(reference, str(tmp_path))


@pytest.mark.parametrize("written", ["hunter2", "env:", "vault:hunter2", ""])
def test_a_secret_written_out_is_refused_and_not_repeated(written):
    with pytest.raises(OperatorError) as refused:
        read_secret(written)
    assert "hunter2" not in str(refused.value)


def test_options_get_their_secrets_read_and_print_none(monkeypatch):
    monkeypatch.setenv("DESK", "hunter2")
    options = with_secrets(Options(url="https://h", secret=Secret("env:DESK", "")))
    assert options.secret.reveal() == "hunter2"
    assert "hunter2" not in repr(options)
    assert options.token is None
