/** Stories for the mock server: enough of a newspaper to see every section set. */
const HEADLINES = {
  World: ['Harbour cities agree on a common winter timetable for night ferries', 'After nine years, the border market at Tarvan opens its gates again', 'Delegates leave the river talks with a map that both sides can read'],
  Politics: ['Council votes by one hand to keep the old bridge open to walkers', 'A minister resigns, and the budget waits for a signature', 'What the new electoral map means for the northern islands'],
  Business: ['The shipyard that refused to close takes its largest order in thirty years', 'Grain prices fall as the second harvest comes in early', 'Small lenders join hands against the quarterly squeeze'],
  Science: ['A ring of dust around a quiet star puzzles the observatory at Hallen', 'Mosses that drink fog could teach cities to stay cool', 'Researchers weigh a single breath, and learn whose it was'],
  Technology: ['Engineers teach a forty-year-old switchboard to listen', 'The chip that sleeps most of its life, and why that is good', 'Village radio returns, this time over the power lines'],
  Culture: ['The orchestra that rehearses in a swimming hall finds its sound', 'A lost reel of the first talking picture turns up in a piano', 'Three novels for the long evenings'],
  Sport: ['Late goal sends Vestby through after a night of rain and nerves', 'The marathon runner who trains on a ship', 'Regatta off the cape ends with four boats in one minute'],
  Crime: ['Police trace forged stamps to a printer’s attic', 'The night watchman’s notebook that solved the museum theft'],
  Weather: ['First storm of the autumn reaches the coast on Thursday night', 'Clear skies until Sunday, and frost in the valleys'],
  Health: ['Walking to school does more than anyone had thought', 'The clinic on rails reaches its hundredth village'],
};
const SUBTITLE = 'Those who were there say that it took a cold morning, two kettles of coffee and a good deal of patience on all sides.';
const BODY = [
  'It was still dark when the first of them came down to the quay, collars up, each with a reason of his own to be early. Nobody said much. The water lay flat between the piers, and the lamps of the customs house drew long yellow lines across it.',
  'By eight o’clock there were two hundred. “We had counted on thirty,” said Marit Oldervik, who keeps the ledger, and who had brought one thermos flask for all of them. “One should never count on people. One should count people.”',
  'The plan itself fits on a single sheet. It asks for little: a common table of hours, a bell that is heard on both shores, and a fund into which everybody pays who wishes to be carried. What makes it new is that it was written by those who will have to live with it.',
  'There were doubts, of course. The older captains remember the last attempt, twelve winters ago, which ended with a lawsuit and a boat that nobody would paint. “Paper is patient,” said one of them, and would not give his name. “Ice is not.”',
  'Yet the figures speak for it. A study by the college at Hallen finds that a third of the crossings run less than half full, while on market days travellers are left standing. A little order, its authors write, would carry more people with fewer boats.',
  'The council meets again on Tuesday. Until then the sheet hangs in the window of the ticket office, next to the tide table, and anyone may add a line to it. By last evening there were forty-one.',
].join('\n\n');

export const articles = [];
let id = 9700001;
for (let round = 0; round < 3; round++) {
  for (const [category, titles] of Object.entries(HEADLINES)) {
    if (!titles[round]) continue;
    articles.push({
      article_id: id,
      title: titles[round],
      subtitle: SUBTITLE,
      body: BODY,
      category,
      topics: [category.toLowerCase(), 'coast', 'Hallen'],
      published_time: new Date(Date.now() - (id % 37) * 1_700_000).toISOString(),
    });
    id += 7;
  }
}
