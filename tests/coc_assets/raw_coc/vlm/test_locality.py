from __future__ import annotations

import re

import pytest

from coc_assets.raw_coc.vlm.locality import (
    CLAIMED_ONLY,
    CONCEPTS,
    mentions,
    supported_by,
    unsupported,
    unsupported_additions,
)


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
        ("Slow down for the flashing beacon", ["beacon"]),
        ("Give way to the flashing blue lights", ["flashing blue lights"]),
        ("Brake as someone steps out", ["someone"]),
        ("Brake because somebody is crossing the road", ["somebody"]),
        ("A figure walks across", ["a figure"]),
        ("A boy stands at the kerb", ["boy"]),
        ("Brake for the hikers", ["hikers"]),
        ("Stop as the chap crosses", ["the chap"]),
        ("Wait for the young couple", ["young couple"]),
        ("Keep back from the pushbike", ["pushbike"]),
        ("A fox and a pony stand there", ["fox"]),
        ("Slow down as ducks are crossing", ["ducks"]),
        ("Wait for the double buggy", ["double buggy"]),
        ("Brake for a ball rolling into the road", ["ball"]),
        ("Stop because it turned red", ["turned red"]),
        ("Proceed as it turns green for the ego", ["turns green"]),
        ("Stop as it has just turned to amber.", ["turned to amber"]),
        ("Stop on red", ["on red"]),
        ("Resume as it turns from red to green", ["turns from red to green"]),
        ("Slow down in the amber phase", ["amber phase"]),
        ("Stop as the gate closes", ["gate"]),
        ("Slow down for the merging Tesla", ["tesla"]),
        ("Slow down for the merging motorhome", ["motorhome"]),
        ("Slow down for the merging RV", ["rv"]),
        ("Slow down for the merging pickup", ["pickup"]),
        ("Slow down for the merging SUV", ["suv"]),
        ("Slow down for the merging taxi", ["taxi"]),
        ("Slow down for the merging ambulance", ["ambulance"]),
        ("Adapt to merging traffic", ["merging traffic"]),
        ("Change lane because the lane ahead is blocked", ["lane ahead is blocked"]),
        ("Lane ahead blocked", ["lane ahead blocked"]),
        ("Change lane because the right lane is closed", ["lane is closed"]),
        ("Merge left because the lane ends", ["lane ends"]),
        ("Merge left at the ending lane", ["ending lane"]),
        ("Nudge around the dumpster", ["dumpster"]),
        ("Slow down as brake lights come on", ["brake lights"]),
        ("Slow down for the brake lights ahead", ["brake lights"]),
        ("Brake because red brake lights light up", ["brake lights"]),
        ("Slow down as traffic builds up", ["traffic builds"]),
        ("Slow down because traffic is backing up", ["traffic is backing up"]),
        ("Slow down because of congestion", ["congestion"]),
        ("Stop behind the queue", ["the queue"]),
        ("Stop at the end of a long queue", ["long queue"]),
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
        ("Keep to the right lane", []),
        ("The right lane ends", ["lane merging into the left lane"]),
        ("The lane ends", ["orange cones along the right lane"]),
        ("Slow down for the flashing beacon", ["school bus with its sign out"]),
        ("Slow down for the beacon", ["tow truck with flashing lights"]),
        ("Brake as someone steps out", ["pedestrian on the right kerb"]),
        ("Yield to the figure", ["person at the crosswalk"]),
        ("Brake for the ball", ["ball on the road"]),
        ("Stop because it turned red", ["traffic light ahead, red"]),
        ("Stop on red", ["traffic light", "red"]),
        ("Stop in the amber phase", ["traffic light, yellow"]),
        ("Stop as the gate closes", ["railway crossing ahead"]),
        ("Stop at the gate", ["toll booth"]),
        ("Give the merging Tesla room", ["white sedan on the on-ramp"]),
        ("Give the RV room", ["vehicle on the right"]),
        ("The lane ahead is blocked", ["double-parked van"]),
        ("The road is blocked", ["train on the crossing"]),
        ("The right lane is closed", ["construction barrels on the right"]),
        ("Nudge around the dumpster", ["trash container on the right"]),
        ("Avoid the obstacle", ["dumpster at the right edge"]),
        ("Slow down as brake lights come on", ["cars ahead"]),
        ("Slow down as traffic builds up", ["three vehicles ahead"]),
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
        ("Stop because it turned red", ["traffic light, green"], ["turned red"]),
        ("Stop because it turned red", ["red truck ahead"], ["turned red"]),
        ("Nudge around the dumpster", ["obstacle ahead"], ["dumpster"]),
        ("Brake for the ball", ["debris on the road"], ["ball"]),
        ("Slow down for the flashing beacon", ["traffic light, red"], ["beacon"]),
        ("Merge left because the lane ends", ["right lane, dashed markings"], ["lane ends"]),
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
        "The ego's brake lights come on as its brake lights glow",
        "The ego turns left, then goes straight and changes to the right lane",
        "The ego goes on, merging onto the main road and closing the gap",
        "The lane change ends and the ego keeps its lane",
        "The ego stays in its lane, ending the nudge",
        "The ego figures out the gap and keeps a figure of ten metres",
        "Keep the tail gate clear and stay on the ball",
        "Let someone else go first",
        "The road turns green with leaves",
        "The lane ahead is not blocked and no queue is there",
        "Wait until the gate opens or it turns green",
        "Stop if someone steps out",
        "Nobody near, no walkers about",
        "Cyclists: none",
        "The way is empty of pedestrians",
        "A pedestrian-free way",
        "The ego snakes through the chicane and nurses the brakes",
        "The ego ducks into the gap and bears left",
        "Pass the cattle grid and the dog-leg",
        "Wait a couple of seconds",
        "Traffic moves and the ego matches the flow of traffic",
        "The ego clears the way, builds up speed and backs up to the left",
        "The ego dodges to the left, its hazard lights flashing",
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
    every = [*CONCEPTS, *CLAIMED_ONLY]
    names = [concept.name for concept in every]
    assert len(names) == len(set(names))
    assert {general for concept in every for general in concept.kind_of} <= set(names)
    assert all(not re.search("[A-Z-]", concept.words.replace(r"\W", "").replace(r"\S", "")) for concept in every)


def test_what_only_implies_a_thing_sorts_no_causes():
    assert mentions("It turned red as the gate closes beside the dumpster") == []


NOTHING_TO_SEE = [
    "ego leaves at the next exit",
    "ego must give way when turning left",
    "speed limit 50 km/h",
    "the posted speed limit is 30 mph",
    "route continues straight through the intersection",
    "route takes the right exit ramp",
    "destination is on the left",
    "ego turns right at the next junction",
    "ego keeps to the left lane for the coming turn",
    "ego's right indicator is on for the planned turn",
    "left turn signal shows the planned lane change",
    "ego has the right of way on the priority road",
    "priority to the right at the junction",
    "ego must yield before entering the main road",
    "keep right except to pass",
    "no passing zone",
    "ego must not block the intersection",
    "traffic rules require the ego vehicle to keep its lane",
    "ego must stay out of the bus lane and the bike lane",
    "ego merges onto the motorway and then leaves it",
    "no U-turn at this junction",
    "the vehicle must keep right",
]


@pytest.mark.parametrize("phrase", NOTHING_TO_SEE)
def test_routes_and_rules_need_no_picture(phrase):
    assert unsupported_additions([phrase], []) == []
    assert unsupported_additions(["", *NOTHING_TO_SEE], ["white van ahead"]) == []


@pytest.mark.parametrize(
    ("phrase", "words", "cited"),
    [
        ("red traffic light, pedestrian crossing the road", ["red traffic light", "pedestrian"],
         ["traffic light, red", "person on the road"]),
        ("a child runs out between parked cars", ["child", "parked", "cars"],
         ["pedestrian on the right", "parked van on the right"]),
        ("ego must stop at the red light", ["red light"], ["traffic light ahead, red"]),
        ("ego turns right on red", ["on red"], ["traffic light", "red"]),
        ("it turned green", ["turned green"], ["green traffic light"]),
        ("route turns left at the traffic light", ["traffic light"], ["signal ahead, green"]),
        ("ego must wait until the light turns green", ["light turns green"], ["traffic light, green"]),
        ("stop sign requires a full stop", ["stop sign"], ["stop sign on the right"]),
        ("yield sign at the junction", ["yield sign"], ["yield sign on the right"]),
        ("ego must yield to pedestrians", ["pedestrians"], ["person at the kerb"]),
        ("ego must stop if a pedestrian crosses", ["pedestrian"], ["pedestrian on the left"]),
        ("someone steps out", ["someone"], ["pedestrian on the left"]),
        ("ego gives way to any cyclist", ["cyclist"], ["bike on the right"]),
        ("oncoming traffic has priority", ["oncoming traffic"], ["vehicle in the opposite lane"]),
        ("no oncoming traffic when turning left", ["oncoming traffic"], ["oncoming car"]),
        ("ego must give way to other vehicles", ["vehicles"], ["white sedan on the right"]),
        ("ego must not pass a stopped school bus", ["school bus"], ["school bus, stopped"]),
        ("pull over for an ambulance", ["ambulance"], ["emergency vehicle behind"]),
        ("route leads through the construction zone", ["construction zone"], ["orange cones"]),
        ("slower in heavy rain", ["rain"], ["rain on the windscreen"]),
        ("speed limit 30 km/h in fog", ["fog"], ["dense fog"]),
        ("the lane ends", ["lane ends"], ["right lane ends"]),
        ("yield at the crosswalk", ["crosswalk"], ["pedestrian crossing with stripes"]),
        ("route passes the railway crossing", ["railway crossing"], ["railway crossing ahead"]),
    ],
)  # fmt: skip
def test_additions_that_only_a_picture_can_show(phrase, words, cited):
    assert unsupported_additions([phrase], []) == words
    assert unsupported_additions(["ego leaves at the next exit", phrase, phrase], ["lane markings"]) == words
    assert unsupported_additions([phrase], cited) == []


def test_additions_do_not_support_each_other():
    assert unsupported_additions(["red light", "ego must stop at the red light"], []) == ["red light"]
    assert unsupported_additions([], ["truck"]) == []


def test_long_text_is_read_in_bounded_steps():
    assert strange("the left " * 50_000) == []
    assert strange("no " * 50_000 + "truck") == []
