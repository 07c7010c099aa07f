import type { RefObject } from 'preact';
import { useLayoutEffect } from 'preact/hooks';
import { deviceType } from '../reader/device';
import { impressionOf } from '../reader/slates';
import { freshId } from '../storage';
import { follow } from './after';
import { courier } from './courier';
import { ViewMeter, shareSeen } from './meter';
import { View } from './view';
import type { ViewFacts } from './view';

const PERIOD_MS = 15_000;
/** What shows that somebody is reading. */
const STIRRINGS = ['scroll', 'pointermove', 'pointerdown', 'keydown', 'touchmove', 'wheel'] as const;
const STIR_EVERY_MS = 1_000;

/** Measures the reading of the article in `text`, from now until the page is left. */
export function useReading(userId: string, articleId: number, text: RefObject<HTMLElement | null>): void {
  useLayoutEffect(() => {
    const meter = new ViewMeter(() => performance.now());
    const facts: ViewFacts = {
      user_id: userId,
      article_id: articleId,
      device_type: deviceType(),
      view_id: freshId(),
    };
    const impression = impressionOf(userId, articleId);
    if (impression) facts.impression_id = impression;
    const view = new View(facts, meter, courier);

    const measure = (): void => {
      const box = text.current?.getBoundingClientRect();
      if (box) meter.sawShare(shareSeen(box, window.innerHeight));
    };
    let stirred = 0;
    const stir = (): void => {
      const now = performance.now();
      if (now - stirred < STIR_EVERY_MS) return;
      stirred = now;
      meter.stir();
    };
    const onVisibility = (): void => {
      if (document.visibilityState === 'hidden') {
        view.hide();
      } else {
        view.show();
        measure();
      }
    };
    const onPageHide = (): void => view.hide();

    onVisibility();
    // The first measure waits for the page to have scrolled to where it belongs.
    const firstMeasure = requestAnimationFrame(measure);
    const timer = setInterval(() => {
      measure();
      view.tick();
    }, PERIOD_MS);
    for (const what of STIRRINGS) window.addEventListener(what, stir, { passive: true });
    window.addEventListener('scroll', measure, { passive: true });
    window.addEventListener('resize', measure);
    document.addEventListener('visibilitychange', onVisibility);
    window.addEventListener('pagehide', onPageHide);
    window.addEventListener('pageshow', onVisibility);
    return () => {
      cancelAnimationFrame(firstMeasure);
      clearInterval(timer);
      for (const what of STIRRINGS) window.removeEventListener(what, stir);
      window.removeEventListener('scroll', measure);
      window.removeEventListener('resize', measure);
      document.removeEventListener('visibilitychange', onVisibility);
      window.removeEventListener('pagehide', onPageHide);
      window.removeEventListener('pageshow', onVisibility);
      follow(userId, view.leave());
    };
  }, [userId, articleId, text]);
}
