"""Kinds of values in configurations, from how they are written to what they mean."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, PlainValidator

from cni.protocol.results import Route
from ipam import forms
from ipam.forms import AddressRange
from ipam.ranges import Address, Network

Subnets = Annotated[tuple[Network, ...], PlainValidator(forms.one_per_family(forms.subnet))]
Addresses = Annotated[tuple[Address, ...], PlainValidator(forms.one_per_family(forms.address))]
Exclusions = Annotated[tuple[AddressRange, ...], PlainValidator(forms.several(forms.exclusion))]
Prefixes = Annotated[tuple[Network, ...], PlainValidator(forms.several(forms.prefix))]
Routes = Annotated[tuple[Route, ...], BeforeValidator(forms.several(forms.route))]
Name = Annotated[str, PlainValidator(forms.name)]
Seconds = Annotated[float, PlainValidator(forms.seconds)]
StickySeconds = Annotated[float, PlainValidator(forms.sticky_seconds)]
