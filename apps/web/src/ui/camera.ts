/** A picture from the camera, as the camera gives it. */
import { text } from "../text";
import { byId } from "./dom";

let taken = 0;

/** null: nothing was taken. */
export async function takePicture(): Promise<File | null> {
  const dialog = byId<HTMLDialogElement>("camera");
  const video = byId<HTMLVideoElement>("camera-picture");
  const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: false });
  try {
    video.srcObject = stream;
    await video.play();
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    return dialog.returnValue === "take" ? await keepFrame(video) : null;
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
    dialog.returnValue = "";
  }
}

async function keepFrame(video: HTMLVideoElement): Promise<File> {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  const picture = await canvas.convertToBlob({ type: "image/png" });
  taken += 1;
  return new File([picture], text.camera.name(taken), { type: picture.type });
}
