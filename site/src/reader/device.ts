/** 1 mobile, 2 tablet, 3 desktop, as in the event's `device_type`. */
export function deviceType(): number {
  if (!matchMedia('(pointer: coarse)').matches) return 3;
  return Math.min(screen.width, screen.height) < 600 ? 1 : 2;
}
