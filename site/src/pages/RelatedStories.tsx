import { related } from '../api/client';
import { CardsSkeleton } from '../components/Skeleton';
import { Story } from '../components/Story';
import { Trouble } from '../components/Trouble';
import { rememberImpression } from '../reader/slates';
import { useWords } from '../text/language';
import { madeBy } from '../text/words';
import { useAnswer } from '../useAnswer';

const CARDS = 3;

/** What to read after an article, at its foot. */
export function RelatedStories({ id, userId }: { id: number; userId: string }) {
  const words = useWords().article;
  const { value, trouble, again } = useAnswer(async () => {
    const slate = await related(id, userId);
    const cards = slate.recommendations.filter((card) => card.article_id !== id).slice(0, CARDS);
    const shown = { ...slate, recommendations: cards };
    rememberImpression(userId, shown);
    return shown;
  }, [id, userId]);
  if (value && value.recommendations.length === 0) return null;
  return (
    <section class="related" aria-labelledby="related-title">
      <h2 class="section-name" id="related-title">
        {words.related}
      </h2>
      {value && <p class="made">{madeBy(value.served_by)}</p>}
      {trouble && !value && <Trouble trouble={trouble} again={again} what={words.relatedWhat} />}
      {!value && !trouble && <CardsSkeleton />}
      {value && (
        <div class="related-cards">
          {value.recommendations.map((card) => (
            <Story key={card.article_id} card={card} rank="related" servedBy={value.served_by} />
          ))}
        </div>
      )}
    </section>
  );
}
