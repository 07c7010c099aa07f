/** PNGs of few colours: a page of ink, paper and a tint has little use for sixteen million, and a third of the size will do. */
import { crc32, deflateSync } from 'node:zlib';

const COLOURS = 96;

/** Runs in the page: an image's pixels as places in a palette of its most common colours. */
async function palettedInPage([source, colours]) {
  const image = await createImageBitmap(await (await fetch(source)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const buckets = new Map();
  const keyAt = (at) => ((data[at] >> 2) << 12) | ((data[at + 1] >> 2) << 6) | (data[at + 2] >> 2);
  for (let at = 0; at < data.length; at += 4) {
    const bucket = buckets.get(keyAt(at)) ?? { count: 0, sum: [0, 0, 0] };
    bucket.count += 1;
    for (let part = 0; part < 3; part++) bucket.sum[part] += data[at + part];
    buckets.set(keyAt(at), bucket);
  }
  const all = [...buckets].map(([key, { count, sum }]) => ({ key, count, colour: sum.map((one) => one / count), far: Infinity, place: 0 }));
  // Each next colour is the one that is missed most: by how many pixels, and by how much.
  const palette = [];
  while (palette.length < Math.min(colours, all.length)) {
    const missed = all.reduce((most, one) => (one.count * Math.min(one.far, 1e6) > most.count * Math.min(most.far, 1e6) ? one : most));
    const [pr, pg, pb] = missed.colour;
    for (const one of all) {
      const [r, g, b] = one.colour;
      const far = 2 * (pr - r) ** 2 + 4 * (pg - g) ** 2 + 3 * (pb - b) ** 2;
      if (far < one.far) Object.assign(one, { far, place: palette.length });
    }
    palette.push(missed.colour);
  }
  const places = new Map(all.map(({ key, place }) => [key, place]));
  let text = '';
  for (let at = 0; at < data.length; at += 4) text += String.fromCharCode(places.get(keyAt(at)));
  return { width: image.width, height: image.height, palette: palette.map((one) => one.map(Math.round)), pixels: btoa(text) };
}

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

/** A screenshot as a PNG with a palette; `page` is any page of the browser, and lends its decoder. */
export async function smallPng(page, screenshot) {
  const source = `data:image/png;base64,${screenshot.toString('base64')}`;
  const { width, height, palette, pixels } = await page.evaluate(palettedInPage, [source, COLOURS]);
  const places = Buffer.from(pixels, 'base64');
  const rows = Buffer.alloc((width + 1) * height);
  for (let row = 0; row < height; row++) places.copy(rows, row * (width + 1) + 1, row * width, (row + 1) * width);
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [chunk('IHDR', head), chunk('PLTE', Buffer.from(palette.flat())), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([signature, ...parts]);
}
