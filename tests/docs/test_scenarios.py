"""docs/scenarios.md: whatever it names is there, and nothing that the documents name is missing from it."""

from __future__ import annotations

import re

import pytest
from tests.docs.pages import ROOT, page

pytestmark = pytest.mark.core

PAGE = page("scenarios.md")
SOURCE = "\n".join(
    file.read_text() for file in sorted((ROOT / "tests").rglob("*.py")) if "node_modules" not in file.parts
)
DEFINED = {*re.findall(r"^ *(?:async )?(?:def|class) (\w+)", SOURCE, re.MULTILINE)}

NAMES = """
ConcurrentConnectionManager ConcurrentMessageBroadcaster ConcurrentConnectionValidator ConnectionLimitManager
TickStockPLSimulator
test_user_connection_flow test_pattern_alert_broadcasting test_offline_message_queueing test_stale_connection_cleanup
test_complete_pattern_alert_flow test_complete_backtesting_workflow
test_mixed_event_types_concurrent_processing test_high_throughput_event_processing
test_single_event_delivery_latency test_burst_event_handling_performance test_concurrent_user_performance
test_successful_service_initialization_sequence test_graceful_service_shutdown_sequence test_loose_coupling_validation
test_single_player_connection test_two_players_can_connect test_game_starts_when_both_ready test_observer_can_join
test_invalid_json_handled test_concurrent_rooms test_paddle_movement test_ball_movement
test_100_concurrent_observers test_10_concurrent_games
test_websocket_redis_connection_setup test_redis_pubsub_message_broadcasting
test_websocket_reconnection_with_redis_state test_concurrent_websocket_connections_redis_performance
test_redis_channel_management_isolation test_redis_failover_websocket_recovery
"""
"""Test cases and classes as the documents call them."""


def test_every_test_that_is_named_is_there() -> None:
    """By itself or as a file."""
    named = {*re.findall(r"`((?:test_|Test)\w+)`", PAGE)}
    assert len(named) > 50
    assert named - DEFINED == set()


@pytest.mark.parametrize("name", NAMES.split())
def test_every_name_of_the_documents_is_on_the_page_and_in_the_tests(name: str) -> None:
    assert name in DEFINED
    assert f"`{name}`" in PAGE
