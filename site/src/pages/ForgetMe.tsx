import { useState } from 'preact/hooks';
import { forgetReader } from '../api/client';
import { forgetSlate } from '../reader/slates';
import type { Reader } from '../reader/store';
import { follow } from '../telemetry/after';
import { dropUnsent } from '../telemetry/courier';
import { forgetTopics } from './Topics';

type Step = 'idle' | 'asking' | 'sending' | 'done' | 'failed';

export function ForgetMe({ reader, onForgotten }: { reader: Reader; onForgotten: () => void }) {
  const [step, setStep] = useState<Step>('idle');

  const forget = async (): Promise<void> => {
    setStep('sending');
    try {
      const accepted = await forgetReader(reader.userId);
      dropUnsent(reader.userId);
      forgetSlate(reader.userId);
      forgetTopics(reader.userId);
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
        Forget me
      </h2>
      <p>Your reads, your topics and all that was learned from them are removed for good.</p>
      <div role="status">
        {step === 'done' && <p>Done. The paper has forgotten {reader.name}.</p>}
        {step === 'failed' && <p>That did not get through. Please try again.</p>}
        {step === 'sending' && <p>Forgetting…</p>}
      </div>
      {step === 'asking' ? (
        <div class="field-row">
          <button type="button" class="danger" onClick={forget}>
            Yes, forget {reader.name}
          </button>
          <button type="button" onClick={() => setStep('idle')}>
            Keep everything
          </button>
        </div>
      ) : (
        <button type="button" disabled={step === 'sending'} onClick={() => setStep('asking')}>
          Forget me
        </button>
      )}
    </section>
  );
}
