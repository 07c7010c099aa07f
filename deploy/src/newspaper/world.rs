//! The people and places that the newspaper writes about. All of them are invented.

use super::dice::Dice;
use super::grammar::Bindings;

const WOMEN: &str = "Ada Agnes Alma Beatrice Bridget Cecily Clara Cora Dagny Edith Elin Elsa Emmeline Esther Fern \
    Flora Freya Greta Hanna Harriet Hazel Hester Ida Imogen Ingrid Iris Ivy Josephine June Katrin Lena Lilian Lotte \
    Mabel Marian Martha Maud Mina Nell Nora Olive Petra Phoebe Rosa Runa Ruth Sibyl Signe Tessa Tilda Una Vera Viola \
    Wilma Winifred Yara Zora Amina Leila Mei Priya Sana Tomoko Xenia Zainab";
const MEN: &str = "Abel Albin Alfred Ansel Anton Arlo Arthur Axel Basil Bruno Caspar Cecil Conrad Cyril Edgar Edmund \
    Elias Emil Ernest Felix Finn Floyd Gideon Gilbert Gustav Harold Henrik Hugo Isaac Ivor Jasper Jonas Kasper Lars \
    Leo Linus Ludwig Magnus Milo Nils Noel Olaf Oscar Otto Percy Quentin Ralph Rasmus Reuben Rufus Silas Stellan \
    Theo Tobias Valentin Victor Walter Wilfred Amir Dev Hiro Idris Jun Kofi Omar Ravi Tariq Yusuf";
const SURNAMES: &str = "Abbott Ackroyd Almond Ashdown Barlow Beck Bellweather Birch Blackwood Bloom Brandt Bright \
    Brook Calloway Carver Castell Chandler Clay Cobb Coldwell Crane Cromarty Dahl Dane Darby Denholm Dorn Drake \
    Dunmore Eastgate Ekberg Ellery Fairfax Falk Farrow Fennimore Finch Fisk Flint Forsberg Foxglove Frost Gale \
    Garland Garrick Glass Goodwin Grange Greaves Grove Hale Halloran Hartnoll Hawke Heath Hobday Holloway Holm \
    Hornby Hyde Inglewood Jarvis Jessop Juniper Keel Kettering Kimber Kirk Lacey Langley Larkin Larsen Lindqvist \
    Lockhart Lomax Lund Lyle Marsh Mayfield Meadows Mercer Merriweather Moss Nash Nightingale North Oakes Oakley \
    Ormond Osterly Paige Palmer Pell Pemberton Penrose Pike Plum Quill Quince Radley Rasmussen Redfern Reed Ridley \
    Rook Rowe Sable Salter Sandberg Sedge Selby Shaw Sorrel Sparrow Stark Sterling Stone Strand Swift Tansy Tarrant \
    Thackeray Thorne Tolliver Underhill Vance Voss Wadham Wainwright Weatherby Webb Whitlock Wick Wilde Winter Wren \
    Yarrow York Abara Achebe Banerjee Chen Diallo Farouk Haddad Ito Kaur Khan Mbeki Nakamura Okafor Rahman Sato";
const TOWNS: [&str; 44] = [
    "Aldermouth",
    "Wendham",
    "Saltmarsh",
    "Hartwell",
    "Millbrook",
    "Northbank",
    "Port Ellery",
    "Castle Dunmore",
    "Greyfriars",
    "Ashby Vale",
    "Kingsferry",
    "Oxmoor",
    "Little Harrow",
    "Great Harrow",
    "Fenwick",
    "Bramley Cross",
    "Thistledown",
    "Cold Ashton",
    "Merrowby",
    "Larkfield",
    "Stonebridge",
    "Upper Tarn",
    "Lower Tarn",
    "Withycombe",
    "Pilgrim's Rest",
    "Candlewick",
    "Foxholes",
    "Marlpit",
    "Gullhaven",
    "Brackenfell",
    "Sallowby",
    "Rookhope",
    "Netherwend",
    "Ferrybank",
    "Dovecote",
    "Highmoor",
    "Swanwater",
    "Tollgate",
    "Wickersley",
    "Old Harbour",
    "Winterbourne",
    "Saint Olave",
    "Quarrytown",
    "Lanternby",
];
const STREETS: [&str; 24] = [
    "Mill Lane",
    "Harbour Street",
    "Canal Row",
    "Bell Street",
    "Rope Walk",
    "Cooper's Yard",
    "Station Road",
    "Lantern Hill",
    "Bridge Street",
    "Fishmarket",
    "Plum Tree Lane",
    "Saint Olave's Square",
    "Tanner's Row",
    "Quay Street",
    "Linden Avenue",
    "Clock Lane",
    "Museum Street",
    "Orchard Road",
    "Weaver's Court",
    "Salt Street",
    "North Parade",
    "Chapel Hill",
    "Ferry Road",
    "Marsh Lane",
];
const COUNTRIES: [&str; 18] = [
    "Verrania",
    "Kestria",
    "Solvane",
    "Ostravia",
    "Marran",
    "Tarsis",
    "Belmora",
    "Norvik",
    "Caldora",
    "Almeria Nova",
    "Zephyria",
    "Lunaria",
    "Drossland",
    "Estoria",
    "Palmyria",
    "Garvania",
    "Hesper",
    "Ruthenmark",
];
const PLACES: [&str; 12] = [
    "Porto Sereno",
    "Varga",
    "Sankt Elm",
    "Belvista",
    "Tarn Koros",
    "Monte Quieto",
    "Ylvastad",
    "Casa Vieja",
    "Drumlin",
    "Oberwald",
    "Piran Bay",
    "Saint Lucien",
];
/// Who stands in the news again and again.
const OFFICES: [&str; 6] = ["mayor", "pm", "opposition", "foreign", "inspector", "conductor"];

/// Who a story is about.
const PARTS: [&str; 3] = ["hero", "rival", "witness"];

/// Somebody with a name.
#[derive(Clone, Debug)]
pub(super) struct Person {
    first: String,
    surname: String,
    woman: bool,
}

impl Person {
    /// Anybody.
    fn any(dice: &mut Dice) -> Self {
        let woman = dice.chance(0.5);
        let firsts: Vec<&str> = (if woman { WOMEN } else { MEN }).split_whitespace().collect();
        let surnames: Vec<&str> = SURNAMES.split_whitespace().collect();
        Self { first: (*dice.pick(&firsts)).to_owned(), surname: (*dice.pick(&surnames)).to_owned(), woman }
    }

    /// Binds the person's name and pronouns: `{hero}`, `{hero.s}`, `{hero.he}`, `{hero.his}`, `{hero.him}`.
    fn bind(&self, name: &str, bindings: &mut Bindings) {
        let (he, his, him) = if self.woman { ("she", "her", "her") } else { ("he", "his", "him") };
        bindings.set(name, format!("{} {}", self.first, self.surname));
        bindings.set(format!("{name}.s"), self.surname.clone());
        for (form, pronoun) in [("he", he), ("his", his), ("him", him)] {
            bindings.set(format!("{name}.{form}"), pronoun);
        }
        for (form, pronoun) in [("He", he), ("His", his)] {
            bindings.set(format!("{name}.{form}"), pronoun[..1].to_uppercase() + &pronoun[1..]);
        }
    }
}

/// The people of one newspaper who keep their offices throughout.
pub(super) struct Cast {
    offices: Vec<Person>,
    experts: Vec<Vec<Person>>,
}

impl Cast {
    /// Fills the offices; `experts` is how many each section asks.
    pub(super) fn new(experts: impl Iterator<Item = usize>, dice: &mut Dice) -> Self {
        let mut taken: Vec<String> = Vec::new();
        let mut next = || loop {
            let person = Person::any(dice);
            if !taken.contains(&person.surname) {
                taken.push(person.surname.clone());
                return person;
            }
        };
        let offices = OFFICES.iter().map(|_| next()).collect();
        let experts = experts.map(|count| (0..count).map(|_| next()).collect()).collect();
        Self { offices, experts }
    }

    /// Binds a new person whose surname nobody else in the story, and nobody in office, has.
    pub(super) fn stranger(&self, bindings: &mut Bindings, name: &str, dice: &mut Dice) {
        loop {
            let person = Person::any(dice);
            let known = self.offices.iter().chain(self.experts.iter().flatten());
            let mut surnames = known.map(|person| person.surname.as_str());
            let in_story =
                PARTS.iter().any(|part| bindings.get(&format!("{part}.s")) == Some(&person.surname));
            if !in_story && surnames.all(|surname| surname != person.surname) {
                return person.bind(name, bindings);
            }
        }
    }

    /// Binds the section's expert of that number, round and round.
    pub(super) fn bind_expert(
        &self,
        section: usize,
        number: usize,
        roles: &[String],
        bindings: &mut Bindings,
    ) {
        let expert = number % roles.len();
        self.experts[section][expert].bind("expert", bindings);
        bindings.set("expert.role", roles[expert].clone());
    }

    /// Who and where a story is about.
    pub(super) fn bind(&self, dice: &mut Dice) -> Bindings {
        let mut bindings = Bindings::default();
        for (office, person) in OFFICES.iter().zip(&self.offices) {
            person.bind(office, &mut bindings);
        }
        for name in PARTS {
            self.stranger(&mut bindings, name, dice);
        }
        for (names, choices) in [(["town", "town2"], &TOWNS[..]), (["country", "country2"], &COUNTRIES[..])] {
            let first = dice.below(choices.len());
            let other = (first + 1 + dice.below(choices.len() - 1)) % choices.len();
            bindings.set(names[0], choices[first]);
            bindings.set(names[1], choices[other]);
        }
        bindings.set("street", *dice.pick(&STREETS));
        bindings.set("place", *dice.pick(&PLACES));
        bindings
    }
}
