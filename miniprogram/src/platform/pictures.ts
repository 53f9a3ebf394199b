// Pictures: fetched ahead so that they are on the phone before they are wanted; and the player's own, for a report.

import type { PickedPicture } from "./types";

/** Lets the player pick or take one picture; null where they would rather not. */
export function pickPicture(): Promise<PickedPicture | null> {
  return new Promise((resolve) => {
    const fail = () => resolve(null);
    // #ifdef MP-WEIXIN
    uni.chooseMedia({
      count: 1,
      mediaType: ["image"],
      sizeType: ["compressed"],
      success: (answer) => resolve(picked(answer.tempFiles[0]?.tempFilePath)),
      fail,
    });
    // #endif
    // #ifndef MP-WEIXIN
    uni.chooseImage({
      count: 1,
      sizeType: ["compressed"],
      success: (answer) => resolve(picked([answer.tempFilePaths].flat()[0])),
      fail,
    });
    // #endif
  });
}

function picked(path: string | undefined): PickedPicture | null {
  return path ? { path } : null;
}

/** Resolves with the address to show once the picture is on the phone; rejects when it cannot be had. */
export function fetchPicture(url: string): Promise<string> {
  // #ifdef H5
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.onload = () => {
      // decoded now rather than when shown: a large picture takes longer than the 100 ms that a next pair has
      const decoded: Promise<void> = typeof picture.decode === "function" ? picture.decode() : Promise.resolve();
      decoded.then(
        () => {
          alive.set(url, picture);
          if (alive.size > 40) alive.delete(alive.keys().next().value as string);
          resolve(url);
        },
        () => reject(new Error("the picture cannot be decoded")),
      );
    };
    picture.onerror = () => reject(new Error("the picture cannot be loaded"));
    picture.src = url;
  });
  // #endif
  // #ifndef H5
  return new Promise((resolve, reject) => {
    uni.getImageInfo({
      src: url,
      success: (answer) => resolve(answer.path || url),
      fail: () => reject(new Error("the picture cannot be loaded")),
    });
  });
  // #endif
}

// #ifdef H5
// Held on to, so that the browser keeps the decoded pixels between fetching and showing.
const alive = new Map<string, HTMLImageElement>();
// #endif
