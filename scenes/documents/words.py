"""What stands on documents: names, goods, labels and words of sentences."""

from __future__ import annotations

SHOPS = (
    "Harbour Bakery", "Green Corner", "Old Mill Market", "Station Kiosk", "North Street Books", "Lemon Tree Cafe",
    "Riverside Grocer", "Paper & Pen", "Blue Door Deli", "Hilltop Farm Shop", "The Copper Kettle", "City Hardware",
    "Sunday Flowers", "Corner Pharmacy", "Little Tea House", "Bridge Bicycles", "Pine Wood Toys", "Market Hall",
    "Garden Centre West", "Night Owl Diner", "Fresh & Fine", "Anchor Inn", "Mountain Outfitters", "Seaside Ices",
)  # fmt: skip
GOODS = (
    "Bread", "Butter", "Milk", "Coffee", "Green tea", "Apples", "Pears", "Carrots", "Cheese", "Honey", "Rice",
    "Noodles", "Tomato soup", "Orange juice", "Sparkling water", "Notebook", "Pencil", "Candle", "Soap",
    "Light bulb", "Batteries", "Umbrella", "Postcard", "Bus ticket", "Chocolate", "Walnut cake", "Olive oil",
    "Sea salt", "Garlic", "Lemons", "Rye rolls", "Yoghurt", "Eggs", "Mushrooms", "Plum jam", "Paper bag",
)  # fmt: skip
LABELS = (
    "Name", "Date", "Invoice number", "Customer", "Address", "Phone", "City", "Reference", "Order number", "Due date",
    "Room", "Arrival", "Departure", "Seat", "Gate", "Flight", "Weight", "Price", "Deposit", "Account", "Contract",
    "Meter reading", "Signature date", "Policy", "Clinic", "Doctor", "Member since", "Course", "Grade", "Tracking",
)  # fmt: skip
HEADS = (
    "Item", "City", "Name", "Seats", "Price", "Guide", "Points", "Team", "Year", "Amount", "Distance", "Score", "Stock",
    "Order", "Length", "Country", "Shelf", "Pieces", "Hours", "Rate", "Won", "Lost", "Visitors", "Cost",
)  # fmt: skip
TITLES = (
    "Registration", "Invoice", "Delivery note", "Boarding pass", "Timetable", "Results", "Price list", "Order form",
    "Minutes of the meeting", "Settings", "Account overview", "Travel plan", "Library card", "Stock report",
    "Weekly summary", "Guest list", "Repair order", "Parcel label", "Course plan", "Message centre", "System update",
    "Warranty", "Home insurance", "Energy report",
)  # fmt: skip
NAMES = (
    "Anna Keller", "Tom Baker", "Maria Lopez", "Wei Chen", "Olga Ivanova", "Paul Martin", "Ines Silva", "Karl Berg",
    "Amira Haddad", "Jonas Lind", "Ruth Cohen", "Peter Novak", "Lucia Rossi", "Sam Taylor", "Nora Nilsen", "Ben Carter",
    "Mina Park", "Oscar Wolf", "Emma Dubois", "Ali Demir", "Hugo Costa", "Freya Olsen", "Ivan Petrov", "Zoe Adams",
)  # fmt: skip
CITIES = (
    "Lisbon", "Bergen", "Vienna", "Toronto", "Kyoto", "Dublin", "Zagreb", "Lyon", "Malmo", "Porto", "Basel", "Leeds",
    "Boston", "Krakow", "Genoa", "Turku", "Ghent", "Seville", "Quito", "Perth", "Bremen", "Nantes", "Cardiff", "Osaka",
)  # fmt: skip
MESSAGES = (
    "Connection refused", "Could not save the file", "Update ready to install", "Your session has ended", "OK",
    "Disk is almost full", "Sign in to continue", "Page not found", "Permission denied", "Try again later", "Cancel",
    "Battery low", "Restart now", "No network", "Invalid password", "Download complete", "Printer out of paper",
    "Retry", "Backup failed", "Check the cable", "Access expired", "File is read-only", "Out of memory", "Dismiss",
    "Server not responding", "Unknown device", "Details", "Certificate expired", "Timeout after 30 seconds", "Later",
    "Import finished with errors", "Close",
)  # fmt: skip
_SENTENCES = """
    the a of and to in we you they this that with from for about when where because before after during small large
    quiet early late open closed winter summer morning evening garden kitchen window street bridge river mountain letter
    parcel ticket journey meeting question answer plan number page picture colour light water bread music story friend
    neighbour teacher driver doctor visitor guest child family village station harbour market library museum theatre
    arrives leaves begins ends brings takes shows finds keeps sends opens closes writes reads asks waits remember forget
    please thank kindly soon again today tomorrow yesterday always never often perhaps only every many few several new
    old good better best long short high low near far left right first second last next another same different ready
    free full empty clean broken repaired paid signed agreed delivered received collected
"""
SENTENCE_WORDS = tuple(_SENTENCES.split())
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
