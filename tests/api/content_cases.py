"""Content that the API takes, and content that it refuses with its field."""

from typing import Any

from api.settings import Runtime

URL = "https://example.com/cat.png"
STATIC = Runtime(
    "static", "sdwebui", "own", "sdxl.safetensors", model_file="sdxl.safetensors", input_buckets=("in",)
)
DYNAMIC = Runtime("dynamic", "sdwebui", "own", None)
DEFAULTED = Runtime("defaulted", "sdwebui", "own", "sdxl.safetensors")
COMFY = Runtime("comfy", "comfyui", "own", None)
INVOKE = Runtime("invoke", "invokeai", "own", None)


def loader(value: str) -> dict[str, Any]:
    return {"1": {"class_type": "LoadImage", "_meta": {"title": "Cat"}, "inputs": {"image": value}}}


DATUM = {"node_path": "z", "field_name": "x", "items": [1, 2]}
T2I, I2I = "text-to-image", "image-to-image"
TAKEN: list[tuple[Runtime, str, Any]] = [
    (STATIC, T2I, {"prompt": "a cat"}),
    (STATIC, T2I, {"steps": "20", "width": 768.0, "height": "512", "cfg_scale": "7.5", "seed": -1}),
    (STATIC, T2I, {"steps": 20.9, "negative_prompt": None, "styles": None, "alwayson_scripts": []}),
    (STATIC, T2I, {"prompt": 7, "extension_field": {"a": 1}, "enable_hr": "true"}),
    (STATIC, T2I, {"prompt": "see http://example.com for cats", "denoising_strength": 1.5}),
    (STATIC, T2I, {"override_settings": {"sd_model_checkpoint": "sdxl.safetensors [31e35c80fc]"}}),
    (STATIC, T2I, {"override_settings": {"sd_model_checkpoint": "31e35c80fc"}}),
    (STATIC, T2I, {"override_settings": {"sd_model_checkpoint": "models/sdxl"}}),
    (STATIC, I2I, {"init_images": [URL, "iVBORw0KGgo="], "mask": "s3://in/mask.png"}),
    (STATIC, I2I, {"init_images": ["s3://own/upload"], "alwayson_scripts": {"image_link": URL}}),
    (STATIC, I2I, {"alwayson_scripts": {"image_link": URL}}),
    (STATIC, I2I, {"init_images": ["https://bücher.example/a.png", "https://[2606:4700::1111]/a"]}),
    (STATIC, "extra-single-image", {"image": URL, "upscaling_resize": 0.5}),
    (STATIC, "extra-batch-images", {"imageList": [{"data": URL, "name": "a"}]}),
    (DYNAMIC, T2I, {"override_settings": {"sd_model_checkpoint": "anything.safetensors"}}),
    (DYNAMIC, "extra-single-image", {"image": URL}),
    (DEFAULTED, T2I, {"prompt": "a cat"}),
    (COMFY, "workflow", loader(URL)),
    (COMFY, "workflow", {"prompt": loader("cat.png"), "extra_data": {}}),
    (INVOKE, "graph", {"nodes": {"a": {"type": "noise"}}, "edges": []}),
    (INVOKE, "graph", {"graph": {"nodes": {"a": {"type": "noise"}}}, "runs": 2}),
    (INVOKE, "graph", {"graph": {"nodes": {"z": {"type": "b"}}}, "data": [[DATUM], [DATUM]], "runs": 25}),
    (INVOKE, "graph", {"batch": {"graph": {"nodes": {"a": {"type": "noise"}}}}, "prepend": False}),
    (INVOKE, "graph", {"nodes": {"a": {"type": "image", "image": {"image_name": URL}}}}),
    (Runtime("own", "custom", "own", None), "any", {"image": "http://10.0.0.1/x"}),
]


REFUSED: list[tuple[Runtime, str, Any, dict[str, str]]] = [
    (STATIC, T2I, {"steps": "many"}, {"steps": "must be an integer"}),
    (STATIC, T2I, {"steps": 0, "width": 7, "height": -1}, {"steps": "least 1", "width": "8", "height": "8"}),
    (STATIC, T2I, {"batch_size": 0, "n_iter": None}, {"batch_size": "least 1", "n_iter": "null"}),
    (STATIC, T2I, {"seed": 2**63}, {"seed": "must be at most"}),
    (STATIC, T2I, {"seed": -(2**63)}, {"seed": "must be at least"}),
    (STATIC, T2I, {"cfg_scale": "high"}, {"cfg_scale": "must be a number"}),
    (STATIC, T2I, {"cfg_scale": "nan"}, {"cfg_scale": "must be a finite number"}),
    (STATIC, T2I, {"prompt": ["a"], "sampler_name": {}}, {"prompt": "a string", "sampler_name": "a string"}),
    (STATIC, T2I, {"prompt": None}, {"prompt": "must not be null"}),
    (
        STATIC,
        T2I,
        {"styles": "a", "override_settings": "x"},
        {"styles": "list", "override_settings": "object"},
    ),
    (STATIC, T2I, {"alwayson_scripts": [1]}, {"alwayson_scripts": "must be an object"}),
    (STATIC, T2I, {"enable_hr": "maybe"}, {"enable_hr": "true or false"}),
    (
        STATIC,
        T2I,
        {"override_settings": {"sd_model_checkpoint": "other.safetensors"}},
        {"override_settings.sd_model_checkpoint": "this runtime serves sdxl.safetensors, not other"},
    ),
    (DYNAMIC, T2I, {"prompt": "x"}, {"override_settings.sd_model_checkpoint": "no default model"}),
    (STATIC, I2I, {"prompt": "x"}, {"init_images": "is missing"}),
    (STATIC, I2I, {"init_images": []}, {"init_images": "not empty"}),
    (STATIC, I2I, {"init_images": [5]}, {"init_images": "list of strings"}),
    (STATIC, I2I, {"init_images": ["http://example.com/a"]}, {"init_images[0]": "https:// or s3://"}),
    (STATIC, I2I, {"init_images": ["https://10.0.0.1/a"]}, {"init_images[0]": "not a public address"}),
    *(
        (STATIC, I2I, {"init_images": [f"https://{host}/a"]}, {"init_images[0]": "not a public address"})
        for host in (
            "localhost",
            "a.localhost:8443",
            "0x7f000001",
            "127.1",
            "db.svc.cluster.local",
            "x.INTERNAL.",
        )
    ),
    (STATIC, I2I, {"init_images": ["https://[::1]/a"]}, {"init_images[0]": "not a public address"}),
    (STATIC, I2I, {"init_images": ["https://a:b@example.com/"]}, {"init_images[0]": "a user name"}),
    (STATIC, I2I, {"init_images": ["https://example.com:0/a"]}, {"init_images[0]": "an invalid port"}),
    (STATIC, I2I, {"init_images": ["https://example.com:x/a"]}, {"init_images[0]": "not a valid URL"}),
    (STATIC, I2I, {"init_images": ["https://exa mple.com/a"]}, {"init_images[0]": "not a valid host name"}),
    (STATIC, I2I, {"init_images": ["file:///etc/passwd"]}, {"init_images[0]": "https:// or s3://"}),
    (STATIC, I2I, {"init_images": ["https://example.com/" + "a" * 4096]}, {"init_images[0]": "4096"}),
    (STATIC, I2I, {"init_images": ["s3://another/a"]}, {"init_images[0]": "bucket another are not allowed"}),
    (STATIC, I2I, {"init_images": [URL], "mask": "http://a/b"}, {"mask": "https:// or s3://"}),
    (
        STATIC,
        T2I,
        {"alwayson_scripts": {"controlnet": {"args": [{"image": "http://a/b"}]}}},
        {"alwayson_scripts.controlnet.args[0].image": "https:// or s3://"},
    ),
    (STATIC, "extra-single-image", {"upscaler_1": "x"}, {"image": "is missing"}),
    (STATIC, "extra-single-image", {"image": URL, "upscaling_resize": 0}, {"upscaling_resize": "greater"}),
    (STATIC, "extra-single-image", {"image": URL, "gfpgan_visibility": 2}, {"gfpgan_visibility": "most 1"}),
    (STATIC, "extra-single-image", {"image": URL, "resize_mode": 2}, {"resize_mode": "most 1"}),
    (STATIC, "extra-batch-images", {"upscaler_1": "x"}, {"imageList": "is missing"}),
    (STATIC, "extra-batch-image", {"imageList": [{"data": URL}, 5]}, {"imageList[0].name": "a string"}),
    (COMFY, "workflow", loader("http://example.com/cat.png"), {"1.inputs.image": "https:// or s3://"}),
    (COMFY, "workflow", {"prompt": loader("ftp://a/b")}, {"prompt.1.inputs.image": "https:// or s3://"}),
    (COMFY, "workflow", {"nodes": [], "links": []}, {"": "has the UI format"}),
    (INVOKE, "graph", {"nodes": {}}, {"": "must be a graph"}),
    (INVOKE, "graph", {"nodes": {"a": {}}}, {"": "must be a graph"}),
    (INVOKE, "graph", {"nodes": [], "edges": []}, {"": "UI format of InvokeAI"}),
    (INVOKE, "graph", {"nodes": {"a": {"type": "b"}}, "batch_id": "x"}, {"": "batch_id cannot be used"}),
    (INVOKE, "graph", {"graph": {"nodes": {"a": {"type": "b"}}}, "runs": 0}, {"": "greater than 0"}),
    (INVOKE, "graph", {"graph": {"nodes": {"a": {"type": "b"}}}, "runs": 101}, {"": "more than 100 times"}),
    (INVOKE, "graph", {"graph": {"nodes": {"a": {"type": "b"}}}, "data": [[DATUM]]}, {"": "the node z"}),
    (INVOKE, "graph", {"graph": {"nodes": {"z": {"type": "b"}}}, "data": DATUM}, {"": "a list of lists"}),
    (INVOKE, "graph", {"graph": {"nodes": {"z": {"type": "b"}}}, "data": ""}, {"": "a list of lists"}),
    (
        INVOKE,
        "graph",
        {"graph": {"nodes": {"z": {"type": "b"}}}, "data": [[{**DATUM, "field_name": {}}]]},
        {"": "field_name a string"},
    ),
    (
        INVOKE,
        "graph",
        {"graph": {"nodes": {"z": {"type": "b"}}}, "data": [[DATUM], [DATUM]], "runs": 26},
        {"": "more than 100 times"},
    ),
    (
        INVOKE,
        "graph",
        {"nodes": {"a": {"type": "image", "image": {"image_name": "http://a/b"}}}},
        {"nodes.a.image.image_name": "https:// or s3://"},
    ),
]
