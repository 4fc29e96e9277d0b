from mithridate.crypto.domains import COMPONENTS, Domain


def test_no_tag_is_the_beginning_of_another() -> None:
    tags = [domain.tag for domain in Domain]
    assert len(tags) == len(Domain.__members__)
    assert not [(a, b) for a in tags for b in tags if a != b and b.startswith(a)]


def test_the_components_have_domains_of_their_own() -> None:
    assert len(set(COMPONENTS)) == 3
