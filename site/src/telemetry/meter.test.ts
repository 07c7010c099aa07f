import { describe, expect, it } from 'vitest';
import { STILL_MS, ViewMeter, shareSeen } from './meter';

function meterAt(start = 0) {
  const clock = { now: start };
  return { clock, meter: new ViewMeter(() => clock.now) };
}

describe('the time in view', () => {
  it('counts only while the page is visible', () => {
    const { clock, meter } = meterAt(5_000);
    clock.now += 4_000;
    expect(meter.totals().read_time).toBe(0);
    meter.show();
    clock.now += 7_250;
    meter.hide();
    clock.now += 60_000;
    expect(meter.totals().read_time).toBe(7.3);
    meter.show();
    clock.now += 2_000;
    expect(meter.totals().read_time).toBe(9.3);
  });

  it('is not counted twice when showing or hiding is said twice', () => {
    const { clock, meter } = meterAt();
    meter.show();
    clock.now += 1_000;
    meter.show();
    clock.now += 1_000;
    meter.hide();
    meter.hide();
    expect(meter.totals().read_time).toBe(2);
  });

  it('never falls when the clock goes back', () => {
    const { clock, meter } = meterAt(10_000);
    meter.show();
    clock.now = 3_000;
    expect(meter.totals().read_time).toBe(0);
    meter.hide();
    expect(meter.totals().read_time).toBe(0);
  });
});

describe('a reader who does nothing', () => {
  it('counts as reading for a minute, and no longer', () => {
    const { clock, meter } = meterAt();
    meter.show();
    clock.now += STILL_MS + 3_600_000;
    expect(meter.totals().read_time).toBe(STILL_MS / 1000);
    meter.hide();
    expect(meter.totals().read_time).toBe(STILL_MS / 1000);
  });

  it('counts again from the moment of stirring, without the time between', () => {
    const { clock, meter } = meterAt();
    meter.show();
    clock.now += STILL_MS + 500_000;
    meter.stir();
    clock.now += 5_000;
    expect(meter.totals().read_time).toBe(STILL_MS / 1000 + 5);
  });

  it('loses nothing by stirring often', () => {
    const { clock, meter } = meterAt();
    meter.show();
    for (let at = 0; at < 100; at++) {
      clock.now += 1_234;
      meter.stir();
    }
    expect(meter.totals().read_time).toBe(123.4);
  });

  it('is not made to count out of view', () => {
    const { clock, meter } = meterAt();
    meter.stir();
    clock.now += 5_000;
    expect(meter.totals().read_time).toBe(0);
  });
});

describe('the share seen', () => {
  it('is the greatest, not the latest', () => {
    const { meter } = meterAt();
    meter.show();
    meter.sawShare(0.25);
    meter.sawShare(0.8125);
    meter.sawShare(0.4);
    expect(meter.totals().scroll_pct).toBe(81.3);
  });

  it('stays within 0 and 100, and ignores what is no number', () => {
    const { meter } = meterAt();
    meter.show();
    meter.sawShare(-3);
    meter.sawShare(Number.NaN);
    expect(meter.totals().scroll_pct).toBe(0);
    meter.sawShare(7);
    expect(meter.totals().scroll_pct).toBe(100);
  });

  it('does not grow out of view', () => {
    const { meter } = meterAt();
    meter.sawShare(1);
    expect(meter.totals().scroll_pct).toBe(0);
  });

  it('is what lies above the lower edge of the window', () => {
    expect(shareSeen({ top: 100, height: 2000 }, 800)).toBeCloseTo(0.35);
    expect(shareSeen({ top: -1500, height: 2000 }, 800)).toBe(1);
    expect(shareSeen({ top: 900, height: 2000 }, 800)).toBe(0);
    expect(shareSeen({ top: 0, height: 0 }, 800)).toBe(0);
  });
});
