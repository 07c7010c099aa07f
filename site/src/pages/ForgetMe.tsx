import { useState } from 'preact/hooks';
import { forgetReader } from '../api/client';
import { forgetSlate } from '../reader/slates';
import { nameOf } from '../reader/store';
import type { Reader } from '../reader/store';
import { forgetVisits } from '../reader/visits';
import { follow } from '../telemetry/after';
import { dropUnsent } from '../telemetry/courier';
import { useWords } from '../text/language';

type Step = 'idle' | 'asking' | 'sending' | 'done' | 'failed';

/** Asks to be forgotten, after a second thought. */
export function ForgetMe({ reader, onForgotten }: { reader: Reader; onForgotten: () => void }) {
  const words = useWords();
  const { forget: said } = words;
  const name = nameOf(reader, words);
  const [step, setStep] = useState<Step>('idle');

  const forget = async (): Promise<void> => {
    setStep('sending');
    try {
      const accepted = await forgetReader(reader.userId);
      dropUnsent(reader.userId);
      forgetSlate(reader.userId);
      forgetVisits(reader.userId);
      follow(reader.userId, Promise.resolve(accepted?.after));
      setStep('done');
      onForgotten();
    } catch {
      setStep('failed');
    }
  };

  return (
    <section class="forget" aria-labelledby="forget-title">
      <h2 class="section-name" id="forget-title">
        {said.title}
      </h2>
      <p>{said.note}</p>
      <div role="status">
        {step === 'done' && <p>{said.done(name)}</p>}
        {step === 'failed' && <p>{said.failed}</p>}
        {step === 'sending' && <p>{said.forgetting}</p>}
      </div>
      {step === 'asking' ? (
        <div class="field-row">
          <button type="button" class="danger" onClick={forget}>
            {said.sure(name)}
          </button>
          <button type="button" onClick={() => setStep('idle')}>
            {said.keep}
          </button>
        </div>
      ) : (
        <button type="button" disabled={step === 'sending'} onClick={() => setStep('asking')}>
          {said.title}
        </button>
      )}
    </section>
  );
}
