from stages.report.figures import MAX_LABEL, label


def test_labels_are_literal_and_short() -> None:
    assert label("<b>&amp;") == "&lt;b&gt;&amp;amp;"
    assert len(label("x" * 500)) == MAX_LABEL
