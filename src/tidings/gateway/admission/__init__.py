"""Who comes too often: sliding-window rates for connects, commands and requests, and what is done about floods."""

from tidings.gateway.admission.addresses import TrustedProxies, network
from tidings.gateway.admission.admission import Admission, Rates, limiting, whole_seconds
from tidings.gateway.admission.limiter import Limiter
from tidings.gateway.admission.rate import Rate
from tidings.gateway.admission.window import Window

__all__ = ["Admission", "Limiter", "Rate", "Rates", "TrustedProxies", "Window", "limiting", "network", "whole_seconds"]
