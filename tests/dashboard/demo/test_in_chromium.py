"""The demo page in a real browser. The server's end of its WebSocket is spoken by the test (see conftest.py)."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.world

ME = {"user": "user of heron", "client": "heron", "conn_info": {"name": "Heron"}}
WREN = {"user": "user of wren", "client": "wren", "conn_info": {"name": "Wren"}}
BARELY_SEEN = 0.01  # layout shift; the browsers' own measure calls 0.1 good
# Of an element's text against the nearest background behind it, painted to know the colours as the screen has them.
CONTRAST = """(element) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const luminance = (colour) => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => linear(part / 255));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const text = luminance(getComputedStyle(element).color);
    let behind = element;
    while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    const paper = luminance(getComputedStyle(behind).backgroundColor);
    return (Math.max(text, paper) + 0.05) / (Math.min(text, paper) + 0.05);
}"""


# What the page says of its state at once, after an event of the window.
AFTER = """(type) => {
    window.dispatchEvent(new Event(type));
    return document.querySelector("#state-text").textContent;
}"""


async def expect_state(page: Page, state: str) -> None:
    await expect(page.locator("#state")).to_have_attribute("data-state", state, timeout=15_000)


async def test_entering(door, visit):
    """The page says what it does until it is live, and then where it is, who is here, and the line to paste."""
    page = await visit()
    peer = await door.next()
    await expect_state(page, "connecting")
    asked = await peer.let_in("heron", "wren")
    assert asked == {"channel": "demo:lobby", "recover": True, "offset": 0, "epoch": ""}
    await expect_state(page, "live")
    await expect(page.locator("#state-text")).to_have_text("Live")
    await expect(page.locator("#channel")).to_have_text("demo:lobby")
    await expect(page.locator("#people li")).to_have_text(["HHeron", "WWren"])
    await expect(page.locator("#people li[data-own=true]")).to_have_attribute("data-client", "heron")
    await expect(page.locator("#me")).to_have_text(door.names[0])
    assert (await page.locator("#curl").text_content()).startswith("curl -H 'X-API-Key: k' http://127.0.0.1:8000/")
    await expect(page.locator("#empty")).to_contain_text("Quiet in here.")


async def test_speaking(door, visit):
    """Enter publishes, the box is empty again, and the message comes back as one's own with its round trip."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await page.fill("#text", "  Hello  ")
    await page.press("#text", "Enter")
    assert await peer.hear("publish") == {"channel": "demo:lobby", "data": {"text": "Hello"}}
    await peer.publish({"data": {"text": "Hello"}, "offset": 1, "info": ME, "time": 1_700_000_000_000})
    await peer.answer(publish={})
    message = page.locator(".message")
    await expect(message.locator(".text")).to_have_text("Hello")
    await expect(message).to_have_attribute("data-own", "true")
    await expect(message).to_have_attribute("data-offset", "1")
    await expect(message.locator("time")).to_have_attribute("datetime", "2023-11-14T22:13:20.000Z")
    await expect(message.locator(".foot")).to_contain_text(" ms")
    await expect(page.locator("#text")).to_have_value("")
    await expect(page.locator("#latency-last")).not_to_be_empty()
    await expect(page.locator("#sparkline rect:not(.none)")).to_have_count(1)
    await expect(page.locator("#message-count")).to_have_text("1")


async def test_every_kind_of_data_is_shown(door, visit):
    """Text is shown as it is, other data as compact JSON, and markup is only text."""
    shown = [
        ({"text": "Hello"}, "Hello"),
        ("a string", "a string"),
        ({"order": 42, "lines": [1, None]}, '{"order":42,"lines":[1,null]}'),
        ({"text": 7}, '{"text":7}'),
        (None, "null"),
        (0, "0"),
        ([], "[]"),
        ({"text": "<img src=x onerror=alert(1)>"}, "<img src=x onerror=alert(1)>"),
        ({"text": "y" * 2010}, "y" * 2000 + " … and 10 more characters"),
    ]
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await peer.publish(*({"data": data, "offset": offset} for offset, (data, _) in enumerate(shown, 1)))
    await expect(page.locator(".message .text")).to_have_text([text for _, text in shown])
    await expect(page.locator(".message .author")).to_have_text(["Back end"])
    await expect(page.locator("#messages img")).to_have_count(0)


async def test_others_come_speak_and_go(door, visit):
    """Who comes and goes is told once and shown in the list; one's own arrival is no news."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await peer.say(
        {"push": {"channel": "demo:lobby", "join": {"info": ME}}},
        {"push": {"channel": "demo:lobby", "join": {"info": WREN}}},
        {"push": {"channel": "demo:lobby", "join": {"info": WREN}}},
    )
    await expect(page.locator("#people-count")).to_have_text("2")
    await peer.publish(
        {"data": "Good morning", "offset": 1, "info": WREN}, {"data": "Again", "offset": 2, "info": WREN}
    )
    await peer.say({"push": {"channel": "demo:lobby", "leave": {"info": WREN}}})
    await expect(page.locator("#people-count")).to_have_text("1")
    await expect(page.locator(".line")).to_have_text(["Wren joined", "Wren left"])
    await expect(page.locator(".message[data-own=false] .author")).to_have_text(["Wren"])
    await expect(page.locator(".message .text")).to_have_text(["Good morning", "Again"])


async def test_earlier_messages(door, visit):
    """Whoever enters finds what the channel still holds, told apart from what was missed by a reconnect."""
    page = await visit()
    peer = await door.next()
    earlier = [{"data": "one", "offset": 1, "info": WREN}, {"data": "two", "offset": 2}]
    await peer.let_in("heron", was_recovering=True, recovered=True, publications=earlier)
    await expect(page.locator("#messages li")).to_have_count(3)
    await expect(page.locator(".line")).to_have_text(["Earlier messages"])
    await expect(page.locator(".message[data-history=true][data-recovered=false]")).to_have_count(2)
    await expect(page.locator("#recovered-count")).to_have_text("0")


async def test_pause_and_recovery(door, visit):
    """The pause drops the socket, counts down, and brings everything that was missed, in order."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await peer.publish({"data": "before", "offset": 1})
    await expect(page.locator(".message")).to_have_count(1)
    await page.click("#pause")
    await expect(page.locator("#state-text")).to_have_text("Reconnecting in 5 s")
    await expect_state(page, "reconnecting")
    await expect(page.locator("#notice-text")).to_contain_text("Paused.")
    await expect(page.locator("#pause")).to_have_attribute("aria-disabled", "true")
    await expect(page.locator("#state-text")).to_have_text("Reconnecting in 3 s")
    await page.click("#retry")
    peer = await door.next()
    missed = [{"data": "first", "offset": 2}, {"data": "second", "offset": 3}]
    asked = await peer.let_in("heron again", offset=1, was_recovering=True, recovered=True, publications=missed)
    assert asked == {"channel": "demo:lobby", "recover": True, "offset": 1, "epoch": "e"}
    await expect(page.locator(".line")).to_have_text(["Recovered 2 messages after a reconnect"])
    await expect(page.locator(".message .text")).to_have_text(["before", "first", "second"])
    await expect(page.locator(".message[data-recovered=true]")).to_have_count(2)
    await expect(page.locator("#recovered-count")).to_have_text("2")
    await expect(page.locator("#notice")).to_be_hidden()
    assert door.names == door.names[:1]


async def test_loss_that_cannot_be_made_good_is_told(door, visit):
    """When the channel no longer has what was missed, the page says so."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await peer.close(3001, "shutdown")
    peer = await door.next()
    await peer.let_in("heron again", epoch="another", was_recovering=True)
    await expect(page.locator(".line[data-kind=lost]")).to_contain_text("no longer kept")


async def test_final_close(door, visit):
    """A final code is shown with its reason and nothing happens by itself; the button connects with a new token."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await peer.close(3503, "force disconnect")
    await expect_state(page, "closed")
    await expect(page.locator("#notice-text")).to_have_text("The connection was closed: force disconnect (3503).")
    assert len(door.names) == 1
    await page.click("#retry")
    peer = await door.next()
    await peer.let_in("heron again")
    await expect_state(page, "live")
    assert len(door.names) == 2


async def test_subscription_that_ended(door, visit):
    """A subscription that the server ends for good is shown with its reason, and the button starts the page anew."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    gone = {"code": 2000, "reason": "server unsubscribe"}
    await peer.say({"push": {"channel": "demo:lobby", "unsubscribe": gone}})
    await expect_state(page, "closed")
    await expect(page.locator("#notice-text")).to_have_text("The subscription has ended: server unsubscribe (2000).")
    await page.click("#retry")
    peer = await door.next()
    await peer.let_in("heron again")
    await expect_state(page, "live")


async def test_restarted_server(door, visit):
    """A server with a new secret refuses the old token: one new token is tried, a second refusal is final."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await peer.close(3500, "invalid token")
    peer = await door.next()
    assert (await peer.hear("connect"))["token"] == "token 2"
    await peer.close(3500, "invalid token")
    await expect_state(page, "closed")
    assert len(door.names) == 2


async def test_text_is_not_lost(door, visit):
    """What cannot be sent stays in the box, and what the server refuses is told with its code."""
    page = await visit()
    peer = await door.next()
    await page.fill("#text", "Hello")
    await page.press("#text", "Enter")
    await expect(page.locator("#hint")).to_have_text("Not connected: your text waits here.")
    await expect(page.locator("#text")).to_have_value("Hello")
    await peer.let_in("heron")
    await expect_state(page, "live")
    await page.press("#text", "Enter")
    await peer.hear("publish")
    await peer.answer(error={"code": 103, "message": "permission denied"})
    await expect(page.locator("#hint")).to_have_text("Not sent: permission denied (103).")


async def test_burst(door, visit):
    """Ten at once are ten publishes, each measured."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await expect_state(page, "live")
    await page.click("#burst")
    for offset in range(1, 11):
        heard = await peer.hear("publish")
        await peer.answer(publish={})
        await peer.publish({"data": heard["data"], "offset": offset, "info": ME})
    await expect(page.locator(".message .text")).to_have_text([f"{i} of 10" for i in range(1, 11)])
    await expect(page.locator("#sparkline rect:not(.none)")).to_have_count(10)


async def test_reading_back_is_not_disturbed(door, visit):
    """The newest message stays in sight, unless somebody has scrolled back; then a button leads to it."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await peer.publish(*({"data": f"number {i}", "offset": i} for i in range(1, 41)))
    await expect(page.get_by_text("number 40", exact=True)).to_be_in_viewport()
    await page.locator("#scroller").hover()
    await page.mouse.wheel(0, -600)
    await expect(page.get_by_text("number 40", exact=True)).not_to_be_in_viewport()
    await peer.publish({"data": "number 41", "offset": 41})
    await expect(page.locator("#newest")).to_be_visible()
    await expect(page.get_by_text("number 41", exact=True)).not_to_be_in_viewport()
    await page.click("#newest")
    await expect(page.get_by_text("number 41", exact=True)).to_be_in_viewport()
    await expect(page.locator("#newest")).to_be_hidden()


async def test_name_belongs_to_the_tab(door, visit):
    """A reload keeps the name and knows its own messages. Another tab opened from this one is somebody else."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await expect_state(page, "live")
    await page.reload()
    peer = await door.next()
    own = {"data": "mine", "offset": 1, "info": ME}
    await peer.let_in("heron again", was_recovering=True, recovered=True, publications=[own])
    await expect(page.locator(".message[data-own=true] .text")).to_have_text("mine")
    async with page.context.expect_page() as opening:
        await page.evaluate("window.open('/')")  # copies the session storage, as duplicating a tab does
    other = await opening.value
    await door.next()
    first, reloaded, _ = door.names
    assert first == reloaded
    assert await other.evaluate("sessionStorage.length") == 0


@pytest.mark.parametrize(("width", "height"), [(360, 640), (640, 800), (1280, 800)])
async def test_layout(door, visit, width: int, height: int):
    """At every width nothing is wider than the page, and nothing jumps when things arrive."""
    page = await visit(width, height)
    await page.evaluate(
        """() => { window.shifts = 0; new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) window.shifts += entry.value;
        }).observe({ type: "layout-shift", buffered: true }); }"""
    )
    peer = await door.next()
    await peer.let_in("heron", "wren", "owl", "a name of which there is no end in sight" * 3)
    for offset, data in enumerate(["x" * 500, "ä " * 200, {"k" * 80: "v" * 300}, "short", {"text": "ab\ncd"}], 1):
        await peer.publish({"data": data, "offset": offset, "info": WREN if offset % 2 else ME})
    await expect(page.locator(".message")).to_have_count(5)
    await peer.close(
        3503, "a reason that is as long as a close frame permits, which is a hundred and twenty-three bytes"
    )
    await expect_state(page, "closed")
    for selector in ("html", "#scroller", "aside"):
        box = await page.locator(selector).evaluate("element => [element.scrollWidth, element.clientWidth]")
        assert box[0] <= box[1], selector
    assert await page.evaluate("window.shifts") < BARELY_SEEN


async def test_both_themes_can_be_read(door, visit):
    """In either theme the small texts keep the contrast of 4.5 to 1 (WCAG 2.2, success criterion 1.4.3)."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron", "wren")
    await peer.publish({"data": "a", "offset": 1, "info": ME}, {"data": "b", "offset": 2, "info": WREN})
    await peer.say({"push": {"channel": "demo:lobby", "leave": {"info": WREN}}})
    await expect(page.locator(".line")).to_have_count(1)
    papers = set()
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        papers.add(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        for selector in (".tagline", ".text", ".author", ".line", ".you", "#send", "dt", "#curl", ".face"):
            assert await page.locator(selector).first.evaluate(CONTRAST) >= 4.5, (scheme, selector)
        for foot in await page.locator(".foot").all():
            assert await foot.evaluate(CONTRAST) >= 4.5, scheme
    assert len(papers) == 2


async def test_keyboard(door, visit):
    """Every control is reached by the Tab key, in reading order, and shows that it has the focus."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await expect_state(page, "live")
    await page.locator("#scroller").focus()
    reached = []
    for _ in range(6):
        await page.keyboard.press("Tab")
        reached.append(
            await page.evaluate("[document.activeElement.id, getComputedStyle(document.activeElement).outlineStyle]")
        )
    assert reached == [[id_, "solid"] for id_ in ("text", "send", "pause", "burst", "second-tab", "copy")]


async def test_reduced_motion(door, visit):
    """Whoever asked for less motion gets none."""
    for wish, animation in (("reduce", "none"), ("no-preference", "arrive")):
        page = await visit(reduced_motion=wish)
        peer = await door.next()
        await peer.let_in("heron")
        await peer.publish({"data": "still", "offset": 1})
        message = page.locator(".message")
        await expect(message).to_have_css("animation-name", animation)


async def test_spoken_to_a_screen_reader(door, visit):
    """Messages and the state are announced, the countdown is not, and everything has a name."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await expect_state(page, "live")
    tree = await page.locator("body").aria_snapshot()
    for line in (
        "- status: Live.",
        '- log "Messages"',
        '- heading "demo:lobby" [level=1]',
        '- textbox "Message to everybody here"',
        '- button "Send"',
        '- img "No round trips yet"',
        '- complementary "About this connection"',
    ):
        assert line in tree, tree
    await page.click("#pause")
    await expect(page.locator("#state-spoken")).to_contain_text("Reconnecting. Paused.")
    assert "Reconnecting in" not in await page.locator("body").aria_snapshot()


async def test_copying(door, visit):
    """The line for the terminal is copied as it is."""
    page = await visit(permissions=["clipboard-read", "clipboard-write"])
    await door.next()
    line = await page.locator("#curl").text_content()
    await page.click("#copy")
    await expect(page.locator("#copy")).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == line


async def test_what_the_browser_knows_is_used(door, visit):
    """A network that went is a loss, one that came back ends the wait, and the pause is ended by neither."""
    page = await visit()
    peer = await door.next()
    await peer.let_in("heron")
    await expect_state(page, "live")
    await page.click("#pause")
    assert await page.evaluate(AFTER, "offline") == "Reconnecting in 5 s"
    assert await page.evaluate(AFTER, "online") == "Reconnecting in 5 s"
    await page.click("#retry")
    peer = await door.next()
    await peer.let_in("heron again", was_recovering=True, recovered=True)
    await expect_state(page, "live")
    assert (await page.evaluate(AFTER, "offline")).startswith("Reconnecting in")
    assert await page.evaluate(AFTER, "online") == "Reconnecting"
    peer = await door.next()
    await peer.let_in("heron once more", was_recovering=True, recovered=True)
    await expect_state(page, "live")
