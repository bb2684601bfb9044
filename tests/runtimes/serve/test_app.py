"""The application in this process: verdicts, and what is wrong with a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gazeclip.images.crop_rule import CROPS
from runtimes.cli import main
from runtimes.serve.schemas import VerifyAnswer
from tests.runtimes.faces.pictures import draw_face, make_picture
from tests.runtimes.serve.asking import IMAGE, as_form, check_refusal, send


def leave_out_times(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        **answer,
        "results": [
            {key: value for key, value in row.items() if key not in ("timings_ms", "source")}
            for row in answer["results"]
        ],
    }


@pytest.mark.parametrize("crop", CROPS)
def test_answers_are_those_of_verify_json(
    crop: str,
    client: Any,
    bundles: dict[str, Path],
    photos: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = [photos[name] for name in ("real", "fake", "unsure", "truncated", "text")]
    pair = make_picture()
    for number, place in enumerate(((40, 60), (560, 300))):
        pair.paste(draw_face(number + 1, 300 - 50 * number), place)
    paths.append(tmp_path / "pair.png")
    pair.save(paths[-1])
    options = f"--threads 1 --json --crop {crop} --prior 0.1 --threshold fpr0.1 --embedding"
    main(["verify", *map(str, paths), "--bundle", str(bundles["onnx"]), *options.split()])
    printed = json.loads(capsys.readouterr().out)
    asked = {"crop": crop, "prior": 0.1, "threshold": "fpr0.1", "embedding": True}
    answer = client.post("/verify", params=asked, files=as_form(*paths))
    assert answer.status_code == 200
    served = answer.json()
    VerifyAnswer.model_validate(served)
    names = [path.name for path in paths]
    assert list(dict.fromkeys(row["source"] for row in served["results"])) == names
    for row in printed["results"]:  # messages name the file, which has no path here
        for key in ("error", "reason"):
            if key in row:
                row[key] = row[key].replace(row["source"], "image")
    for row in served["results"]:
        if "reason" in row:
            row["reason"] = row["reason"].replace("image 0", "image")
    assert crop == "whole" or [row.get("face") for row in served["results"][-2:]] == [1, 2]
    printed["bundle"]["folder"] = bundles["onnx"].name
    assert leave_out_times(served) == leave_out_times(printed)


def test_one_image_as_it_is(client: Any, photos: dict[str, Path]) -> None:
    for name, verdict in (("real", "real"), ("fake", "fake"), ("unsure", "inconclusive")):
        answer = send(client, photos[name].read_bytes())
        assert answer.status_code == 200
        VerifyAnswer.model_validate(answer.json())
        assert answer.json()["results"][0]["verdict"] == verdict
        assert answer.json()["summary"][verdict] == 1
        assert answer.text.count("\n") == 1


def test_the_folder_of_the_bundle_is_not_told(
    client: Any, photos: dict[str, Path], bundles: dict[str, Path]
) -> None:
    answer = send(client, photos["real"].read_bytes())
    assert str(bundles["onnx"].parent) not in answer.text
    assert str(bundles["onnx"].parent) not in client.get("/metrics").text


def test_images_that_are_refused(client: Any, photos: dict[str, Path]) -> None:
    check_refusal(send(client, photos["truncated"].read_bytes()), 422, "damaged")
    check_refusal(send(client, b""), 422, "empty")
    check_refusal(send(client, photos["text"].read_bytes()), 415, "not an image")
    check_refusal(send(client, b"GIF89a" + bytes(50)), 415, "GIF")
    png_head = photos["real"].read_bytes()[:40]
    check_refusal(send(client, png_head), 422, "damaged")
    answer = client.post("/verify", files=as_form(photos["truncated"]))
    check_refusal(answer, 422, "damaged")  # a single file, whichever way it came


def test_one_bad_file_of_several_is_told_in_its_row(client: Any, photos: dict[str, Path]) -> None:
    answer = client.post("/verify", files=as_form(photos["empty"], photos["fake"]))
    assert answer.status_code == 200
    first, second = answer.json()["results"]
    assert first["verdict"] is None and first["error"] == "image is empty"
    assert second["verdict"] == "fake"
    assert answer.json()["summary"] == {"real": 0, "fake": 1, "inconclusive": 0, "error": 1}


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"content-type": "text/plain"}, "Content-Type"),
        ({"content-type": "application/x-www-form-urlencoded"}, "Content-Type"),
        ({"content-type": "image/png", "content-encoding": "gzip"}, "compressed"),
    ],
)
def test_bodies_that_are_no_image(
    headers: dict[str, str], words: str, client: Any, photos: dict[str, Path]
) -> None:
    data = photos["real"].read_bytes()
    check_refusal(client.post("/verify", content=data, headers=headers), 415, words)


@pytest.mark.parametrize(
    "query",
    [
        *("prior=0", "prior=1", "prior=nan", "prior=x", "crop=half", "embedding=perhaps"),
        *("threshold=fpr2", "threshold=1", "threshold=0.99999999999999999999", "thershold=fpr1"),
        *("prior=0.1&prior=0.2", "crop=whole&crop=whole"),
    ],
)
def test_wrong_parameters(query: str, client: Any, photos: dict[str, Path]) -> None:
    answer = client.post(f"/verify?{query}", content=photos["real"].read_bytes(), headers=IMAGE)
    check_refusal(answer, 400, query.partition("=")[0])


def test_paths_and_methods_that_are_not_there(client: Any) -> None:
    check_refusal(client.get("/nothing"), 404, "Not Found")
    answer = client.get("/verify")
    check_refusal(answer, 405, "Not Allowed")
    assert answer.headers["allow"] == "POST"


def test_openapi_tells_every_answer(client: Any) -> None:
    told = client.get("/openapi.json").json()
    assert set(told["paths"]) == {"/verify", "/healthz", "/readyz", "/metrics"}
    operation = told["paths"]["/verify"]["post"]
    statuses = {"200", "400", "401", "403", "408", "413", "415", "422", "429", "500", "503"}
    assert set(operation["responses"]) == statuses
    for status in statuses - {"200"}:
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Error"}
    assert "Retry-After" in operation["responses"]["429"]["headers"]
    assert {"image/jpeg", "multipart/form-data"} < set(operation["requestBody"]["content"])
    crops = next(item for item in operation["parameters"] if item["name"] == "crop")
    assert tuple(crops["schema"]["enum"]) == CROPS


def test_metrics_count(client: Any, photos: dict[str, Path]) -> None:
    client.post("/verify", files=as_form(photos["real"], photos["fake"], photos["fake"]))
    send(client, b"")
    lines = client.get("/metrics").text.splitlines()
    for line in (
        'gazeclip_requests_total{code="200"} 1.0',
        'gazeclip_requests_total{code="422"} 1.0',
        'gazeclip_verdicts_total{verdict="real"} 1.0',
        'gazeclip_verdicts_total{verdict="fake"} 2.0',
        "gazeclip_batch_images_sum 3.0",
        "gazeclip_requests_inside 0.0",
        "gazeclip_queue_images 0.0",
    ):
        assert line in lines, line
