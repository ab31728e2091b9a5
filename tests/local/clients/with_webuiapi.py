"""`webuiapi` against the SD WebUI at argv[1], real or simulated."""

import sys
from urllib.parse import urlsplit

import webuiapi
from PIL import Image

address = urlsplit(sys.argv[1])
api = webuiapi.WebUIApi(host=address.hostname, port=address.port)

result = api.txt2img(prompt="a cat", seed=7, steps=4, width=64, height=96, batch_size=2)
assert [image.size for image in result.images] == [(64, 96)] * 2, result.images
assert result.info["all_seeds"] == [7, 8], result.info
assert result.parameters["width"] == 64
assert "Seed: 7" in result.info["infotexts"][0]
assert "Seed: 7" in api.png_info(result.image).info

again = api.img2img(
    images=[result.image], prompt="a dog", seed=3, steps=4, width=64, height=64, denoising_strength=0.5
)
assert again.image.size == (64, 64)

# Whole blocks of 8 pixels: of other sizes a real one leaves out the rest.
larger = api.extra_single_image(Image.new("RGB", (40, 32)), upscaling_resize=2, upscaler_1="Lanczos")
assert larger.image.size == (80, 64)
several = api.extra_batch_images([Image.new("RGB", (40, 32))] * 2, upscaling_resize=2, upscaler_1="Lanczos")
assert len(several.images) == 2

assert api.util_get_current_model() is not None
models = api.util_get_model_names()
api.set_options({"sd_model_checkpoint": models[-1]})
assert api.get_options()["sd_model_checkpoint"].split(" [")[0] in models[-1]
assert api.get_progress()["state"]["job_count"] == 0
assert "Euler" in {sampler["name"] for sampler in api.get_samplers()}
lists = "cmd_flags sd_vae upscalers latent_upscale_modes loras hypernetworks face_restorers realesrgan_models"
for name in f"{lists} prompt_styles scripts embeddings memory schedulers".split():
    getattr(api, f"get_{name}")()
api.refresh_checkpoints()
api.interrupt()
api.skip()

try:
    api.txt2img(prompt="a cat", steps="many")
except RuntimeError as error:
    assert error.args[0] == 422, error.args
else:
    raise AssertionError("a wrong type was taken")
