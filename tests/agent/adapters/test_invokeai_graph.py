"""The session of a queue item, in shapes that a simulation does not give."""

from queue_agent.adapters.invokeai.graph import outputs


def test_pictures_of_an_iteration_come_in_the_order_they_were_made():
    session = {
        "graph": {"nodes": {"n": {"type": "l2i"}, "m": {"type": "l2i", "is_intermediate": True}}},
        "results": {
            "b": {"type": "image_output", "image": {"image_name": "1"}},
            "x": {"type": "image_output", "image": {"image_name": "hidden"}},
            "a": {
                "type": "image_collection_output",
                "collection": [{"image_name": "2"}, {"image_name": "3"}],
            },
        },
        "prepared_source_mapping": {"a": "n", "b": "n", "x": "m"},
        "source_prepared_mapping": {"n": ["a", "b"], "m": ["x"]},
    }

    assert [file.name for _, file in outputs(session)] == ["1", "2", "3"]
