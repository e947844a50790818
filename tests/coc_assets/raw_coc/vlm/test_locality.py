from __future__ import annotations

import re

import pytest

from coc_assets.raw_coc.vlm.locality import CONCEPTS, mentions, supported_by, unsupported


def strange(text, *cited):
    return unsupported({"trace": text}, cited)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Stop for the red light", ["red light"]),
        ("Stop because the traffic signal ahead is red", ["traffic signal ahead is red"]),
        ("Resume as the light turned green", ["light turned green"]),
        ("Slow down for the yellow signal", ["yellow signal"]),
        ("Slow down for the traffic light", ["traffic light"]),
        ("Wait at the stop sign", ["stop sign"]),
        ("Give way at the yield sign", ["yield sign"]),
        ("Yield at the crosswalk", ["crosswalk"]),
        ("Stop before the pedestrian crossing", ["before the pedestrian crossing"]),
        ("Yield to the pedestrian crossing from the right", ["pedestrian"]),
        ("Yield to the children", ["children"]),
        ("A jay-walker steps out", ["jay walker"]),
        ("Nudge left around the cyclist", ["cyclist"]),
        ("Give the bicycle room", ["bicycle"]),
        ("A motorcycle is ahead", ["motorcycle"]),
        ("Follow the lead vehicle", ["lead vehicle"]),
        ("Slow down for the car ahead", ["car"]),
        ("Slow down as the lead brakes", ["the lead"]),
        ("The truck ahead brakes", ["truck"]),
        ("Two buses stop", ["buses"]),
        ("The van is slow", ["van"]),
        ("An SUV merges", ["suv"]),
        ("Stop behind the stopped traffic", ["stopped traffic"]),
        ("Yield to the ambulance", ["ambulance"]),
        ("Stop for the school bus", ["school bus"]),
        ("Slow down at the construction zone", ["construction zone"]),
        ("Cones close the lane", ["cones"]),
        ("Slow for the speed bump", ["speed bump"]),
        ("Adapt speed for the sharp right curve", ["sharp right curve"]),
        ("Enter the roundabout", ["roundabout"]),
        ("Stop at the railway crossing", ["railway crossing"]),
        ("A deer stands by the road", ["deer"]),
        ("Debris lies in the lane", ["debris"]),
        ("Slow down in heavy rain", ["rain"]),
        ("The road is wet", ["wet"]),
        ("Dense fog lies ahead", ["fog"]),
        ("It is night", ["night"]),
        ("Sun glare blinds the camera", ["sun glare"]),
        ("A lower speed limit begins", ["speed limit"]),
        ("Wait for oncoming traffic", ["oncoming traffic"]),
        ("Nudge around the parked trailer", ["parked", "trailer"]),
        ("A car cuts in", ["car cuts in"]),
        ("A flagger holds a sign", ["flagger"]),
        ("Slow down for the pothole", ["pothole"]),
        ("Brake hard. A dog and a cyclist cross.", ["dog", "cyclist"]),
    ],
)
def test_what_nothing_cited_speaks_of(text, words):
    assert strange(text) == words
    assert strange(text, "clear road ahead") == words


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("Stop for the red light", ["traffic light ahead, red"]),
        ("Stop for the red light", ["traffic light", "red"]),
        ("The signal ahead is amber", ["traffic light state: yellow"]),
        ("Stop at the light", ["red signal for the ego lane"]),
        ("Stop at the stop line", ["stop sign on the right"]),
        ("Wait at the stop line of the traffic light", ["traffic light"]),
        ("Yield at the crosswalk", ["pedestrian crossing with stripes"]),
        ("Yield to the person", ["pedestrian on the right kerb"]),
        ("Yield to a child", ["person at the crosswalk"]),
        ("Yield to the vulnerable road user", ["cyclist on the right"]),
        ("Give the rider room", ["motorcyclist ahead"]),
        ("Give the bicyclist room", ["bike on the right"]),
        ("Follow the lead vehicle", ["white sedan ahead in the ego lane"]),
        ("Follow the car", ["lead vehicle"]),
        ("Follow the vehicle ahead", ["delivery truck"]),
        ("Follow the car ahead", ["school bus with lights on"]),
        ("Stop behind the stopped traffic", ["three cars ahead"]),
        ("Yield to the police car", ["emergency vehicle with flashing lights"]),
        ("Give way to the vehicle", ["ambulance behind"]),
        ("Slow down at the work zone", ["orange cones on the left"]),
        ("The lane is blocked by construction", ["barriers along the right lane"]),
        ("Slow down for the bump", ["speed hump ahead"]),
        ("Adapt speed for the bend", ["road curves to the left"]),
        ("Adapt speed to the curve", ["roundabout"]),
        ("An obstacle blocks the lane", ["fallen tree"]),
        ("Avoid the obstacle", ["parked van"]),
        ("The wet road asks for care", ["heavy rain"]),
        ("The poor visibility asks for care", ["fog"]),
        ("Keep room to the parked vehicle", ["stationary car on the right shoulder"]),
        ("Yield to the oncoming car", ["vehicle in the opposite lane"]),
        ("Slow down as a car cuts in", ["vehicle merging from the right"]),
        ("Keep to the posted speed because of the speed sign", ["speed limit 30 sign"]),
        ("Turn left at the intersection on the route", []),
        ("The right lane ends", []),
    ],
)
def test_what_is_cited_supports(text, cited):
    assert strange(text, *cited) == []


@pytest.mark.parametrize(
    ("text", "cited", "words"),
    [
        ("Follow the bus", ["vehicle ahead"], ["bus"]),
        ("Follow the truck", ["car ahead"], ["truck"]),
        ("Follow the van", ["truck ahead"], ["van"]),
        ("Stop for the school bus", ["bus ahead"], ["school bus"]),
        ("Yield to the ambulance", ["van behind"], ["ambulance"]),
        ("Yield to the cyclist", ["pedestrian"], ["cyclist"]),
        ("Give the motorcycle room", ["cyclist"], ["motorcycle"]),
        ("Stop for the red light", ["traffic light, green"], ["red light"]),
        ("Resume as the light turns green", ["red traffic light"], ["light turns green"]),
        ("Stop for the red light", ["traffic light ahead"], ["red light"]),
        ("Stop for the red light", ["lead car with red brake lights"], ["red light"]),
        ("Stop for the red light", ["traffic light ahead", "red truck"], ["red light"]),
        ("Stop at the stop sign", ["traffic light"], ["stop sign"]),
        ("Slow down in the rain", ["wet road"], ["rain"]),
        ("Slow down in the fog", ["poor visibility"], ["fog"]),
        ("Nudge around the parked car", ["car ahead moving"], ["parked"]),
    ],
)
def test_a_more_special_word_is_not_supported(text, cited, words):
    assert strange(text, *cited) == words


@pytest.mark.parametrize(
    "text",
    [
        "The ego vehicle keeps our lane",
        "The ego car's speed is steady and its own vehicle stays centred",
        "The vehicle slows down. The car is in its lane.",
        "The self-driving car holds its speed",
        "Keep a distance of two car lengths at this vehicle speed",
        "No pedestrians are near",
        "There is no pedestrian, cyclist or oncoming traffic",
        "The road is clear of pedestrians",
        "Turn left without oncoming traffic",
        "Neither a pedestrian nor a cyclist is there",
        "The absence of traffic lights allows it",
        "Stop if a pedestrian steps out",
        "Watch for pedestrians and cyclists",
        "Be prepared for cut-ins",
        "A pedestrian may appear",
        "Wait until the light changes to green and the car moves",
        "Check the mirrors and the blind spot for vehicles",
        "Any oncoming vehicles have priority",
        "Other vehicles keep their lanes and surrounding traffic flows",
        "Obey traffic rules in these traffic conditions",
        "Drive at the speed limit and stay within the speed limit",
        "Stay out of the bike lane and the bus lane",
        "Pass the bus stop and the parking lot",
        "The brake lights and the turn signal are on",
        "Do not cross into the oncoming lane",
        "Pick up speed in light of the clear road",
        "A light touch of the brakes is enough",
        "The lead to the left is large",
    ],
)
def test_what_claims_nothing(text):
    assert strange(text) == []


def test_a_negation_ends_with_its_clause():
    assert strange("No pedestrian is near, but a cyclist is") == ["cyclist"]
    assert strange("There are no pedestrians. A truck brakes.") == ["truck"]
    assert strange("No oncoming traffic, the truck ahead is slow") == ["truck"]
    assert strange("There is no brake light or pedestrian") == []
    assert strange("The light is not red") == ["the light"]


def test_words_come_once_a_concept_in_the_order_of_the_texts():
    texts = {
        "trace": "Stop for the Pedestrian and the truck",
        "perception": None,
        "planning": "Wait for the pedestrians",
        "justification": "The child and the fog",
    }
    assert unsupported(texts, []) == ["pedestrian", "truck", "fog"]
    assert unsupported(texts, ["lorry"]) == ["pedestrian", "fog"]
    assert unsupported({}, []) == []


def test_mentions_say_where_in_the_text_they_are():
    text = "Stop behind the double-parked Truck"
    assert [(found.concept.name, text[found.at :].lower()[: len(found.words)]) for found in mentions(text)] == [
        ("parked vehicle", "double-parked"),
        ("truck", "truck"),
    ]


def test_general_concepts_are_supported_through_several_steps():
    assert {"school bus", "bus", "vehicle", "obstacle"} <= supported_by(["school bus"])
    assert "school bus" not in supported_by(["bus"])


def test_every_more_general_concept_is_in_the_table():
    names = [concept.name for concept in CONCEPTS]
    assert len(names) == len(set(names))
    assert {general for concept in CONCEPTS for general in concept.kind_of} <= set(names)
    assert all(not re.search("[A-Z-]", concept.words.replace(r"\W", "").replace(r"\S", "")) for concept in CONCEPTS)


def test_long_text_is_read_in_bounded_steps():
    assert strange("the left " * 50_000) == []
    assert strange("no " * 50_000 + "truck") == []
