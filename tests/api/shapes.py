"""Whether an answer has the shape of a sample: its keys in their order, types, formats."""

from tests.api.documents import TIME


def assert_like(sample, answer, place="answer"):
    assert type(answer) is type(sample), f"{place}: {answer!r} is no {type(sample).__name__}"
    if isinstance(sample, dict):
        assert list(answer) == list(sample), place
        for key in sample:
            assert_like(sample[key], answer[key], f"{place}.{key}")
    elif isinstance(sample, list) and len({type(item) for item in sample}) > 1:
        assert len(answer) == len(sample), place
        for number, item in enumerate(answer):
            assert_like(sample[number], item, f"{place}[{number}]")
    elif isinstance(sample, list):
        assert answer, f"{place}: nothing to compare"
        for number, item in enumerate(answer):
            assert_like(sample[0], item, f"{place}[{number}]")
    elif isinstance(sample, str) and TIME.fullmatch(sample):
        assert TIME.fullmatch(answer), f"{place}: {answer}"
