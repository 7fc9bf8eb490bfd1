//! The names of people, places and things. None holds a character that JSON must escape.

/// Customers, authors and colleagues.
pub(super) const PEOPLE: [&str; 32] = [
    "Amina", "Björn", "Chloé", "Dmitri", "Elif", "Fatou", "Goran", "Hana", "Inès", "João", "Kwame", "Léa",
    "Mateo", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Søren", "Tomás", "Ursula", "Viktor", "Wanjiru",
    "Xavier", "Yuki", "Zoë", "Noor", "Łukasz", "Mei", "Anton", "Salma", "Bea",
];

/// Where orders go and services run.
pub(super) const PLACES: [&str; 20] = [
    "Lyon",
    "Oslo",
    "Porto",
    "Kraków",
    "Nairobi",
    "Osaka",
    "Montréal",
    "Valparaíso",
    "Ghent",
    "Tallinn",
    "Dakar",
    "Izmir",
    "Graz",
    "Leeds",
    "Bergen",
    "Nantes",
    "Turin",
    "Hobart",
    "Tromsø",
    "Basel",
];

/// What the kitchen makes.
pub(super) const DISHES: [&str; 16] = [
    "lemon tart",
    "lentil soup",
    "rye loaf",
    "mushroom pie",
    "apple strudel",
    "falafel box",
    "cinnamon roll",
    "miso ramen",
    "beetroot salad",
    "plum cake",
    "onion quiche",
    "rice pudding",
    "pumpkin curry",
    "fig biscuit",
    "cheese board",
    "walnut bread",
];

/// What is built.
pub(super) const PROJECTS: [&str; 10] = [
    "web-shop",
    "till",
    "stock-api",
    "mailer",
    "mobile-app",
    "search",
    "ledger",
    "courier-map",
    "menu-editor",
    "status-page",
];

/// What it is built from.
pub(super) const BRANCHES: [&str; 8] =
    ["main", "main", "main", "release-4.2", "faster-checkout", "fix-rounding", "new-menu", "dark-mode"];

/// Where builds break.
pub(super) const STEPS: [&str; 5] = ["unit tests", "lint", "integration tests", "packaging", "type check"];

/// What threads are about.
pub(super) const TOPICS: [&str; 12] = [
    "Autumn menu",
    "Opening hours",
    "Checkout copy",
    "Delivery zones",
    "New oven",
    "Refund policy",
    "Team lunch",
    "Label design",
    "Photo shoot",
    "Loyalty card",
    "Allergen list",
    "Winter stock",
];

/// What people say.
pub(super) const REMARKS: [&str; 18] = [
    "looks good to me",
    "can we try a smaller size first?",
    "I prefer the second version",
    "who has the latest figures?",
    "let us decide on Thursday",
    "this reads much better now",
    "one typo in the last line",
    "shall I ask the suppliers?",
    "agreed, thank you",
    "I would rather wait a week",
    "could you add a photo?",
    "done, please have a look",
    "the price is missing",
    "that was quick",
    "what about the vegan option?",
    "I can take this one",
    "moved to next month",
    "let us keep it simple",
];

/// How people pay.
pub(super) const METHODS: [&str; 5] = ["card", "bank transfer", "voucher", "phone", "invoice"];

/// What is watched, and what goes wrong with it.
pub(super) const TROUBLES: [(&str, &str); 12] = [
    ("oven 2", "temperature above limit"),
    ("cold room", "two sensors disagree"),
    ("cold room", "the door has been open for 4 min"),
    ("till database", "disk 91 % full"),
    ("till database", "slower than usual"),
    ("payment gateway", "no answer for 30 s"),
    ("web shop", "error rate 4 %"),
    ("web shop", "certificate ends in 5 days"),
    ("label printer", "out of paper"),
    ("courier feed", "no news for 10 min"),
    ("mail queue", "longer than 1000"),
    ("nightly backup", "has not begun"),
];

/// How food should not arrive.
pub(super) const MISHAPS: [&str; 4] = ["cold", "late", "squashed", "to the wrong door"];
