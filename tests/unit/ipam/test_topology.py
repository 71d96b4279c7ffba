"""What a configuration changes in what is known of a fabric."""

from __future__ import annotations

from ipaddress import ip_network

from ipam.config import Layout
from ipam.ranges import Rail, Span, make_rail
from ipam.topology import merged


def rail(name: str, subnet: str, *excluded: Span) -> Rail:
    return make_rail(name, [ip_network(subnet)], excluded)


A, B = rail("a", "10.0.0.0/24"), rail("b", "10.1.0.0/24")


def test_declared_siblings_are_added() -> None:
    assert merged({}, Layout("f", A, (B,))) == {"a": A, "b": B}


def test_what_a_sibling_said_of_itself_outlives_a_declaration() -> None:
    own_word = rail("b", "10.1.0.0/24", Span(10, 20))
    assert merged({"b": own_word}, Layout("f", A, (B,)))["b"] == own_word


def test_a_declaration_renumbers_a_sibling() -> None:
    moved = rail("b", "10.2.0.0/24")
    assert merged({"b": B}, Layout("f", A, (moved,)))["b"] == moved


def test_a_rails_own_word_replaces_what_was_known() -> None:
    narrower = rail("a", "10.0.0.0/24", Span(10, 20))
    assert merged({"a": A, "b": B}, Layout("f", narrower)) == {"a": narrower, "b": B}


LOW, HIGH = Span(1, 99), Span(100, 254)


def test_siblings_exclusions_from_before_a_move_no_longer_count() -> None:
    before = {"a": rail("a", "10.0.0.0/24", LOW), "b": rail("b", "10.1.0.0/24", LOW)}
    moved = rail("a", "10.0.0.0/24", HIGH)
    assert merged(before, Layout("f", moved)) == {"a": moved, "b": B}


def test_a_declaration_contradicts_nothing_that_it_does_not_declare() -> None:
    before = {"b": rail("b", "10.1.0.0/24", LOW)}
    moved = rail("a", "10.0.0.0/24", HIGH)
    assert merged(before, Layout("f", moved, closed=True)) == {"a": moved, **before}
