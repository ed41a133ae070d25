"""The classes of Stanford Background, a colour for each; no torch, so that figures can use them."""

REGIONS = ("sky", "tree", "road", "grass", "water", "building", "mountain", "foreground")
SURFACES = ("sky", "horizontal", "vertical")

# One colour per class through the whole series, most of them Okabe and Ito's. Neighbours in an
# image differ in lightness too, so that maps stay readable for colour-blind eyes and in grey print.
CLASS_COLOURS = {
    "sky": "#56B4E9",
    "tree": "#009E73",
    "road": "#4D4D4D",
    "grass": "#F0E442",
    "water": "#0072B2",
    "building": "#E69F00",
    "mountain": "#CC79A7",
    "foreground": "#D55E00",
    "horizontal": "#DDCC77",
    "vertical": "#882255",
}
