"""The group of commands about recipes, each in a module of its own."""

from __future__ import annotations

from glmprov.cli.group import Lazy, main


class _Recipes(Lazy):
    lazy = {  # noqa: RUF012  (nobody changes it)
        "list": ("glmprov.cli.recipe.looking", "list_recipes", "Show all recipes."),
        "show": ("glmprov.cli.recipe.looking", "show", "Show a recipe: corrections, why, and who says so."),
        "render": ("glmprov.cli.recipe.looking", "render", "Print the command that a recipe makes."),
        "lint": ("glmprov.cli.recipe.lint", "lint", "Say what is wrong or unwise with a recipe."),
        "fit": ("glmprov.cli.recipe.fit", "fit", "Say whether a recipe fits, and with how much context."),
        "suggest": ("glmprov.cli.recipe.fit", "suggest", "Say what is recommended, and what of it fits."),
        "lock": ("glmprov.cli.recipe.lock", "lock", "Resolve tag and model to digest and revision."),
        "import": ("glmprov.cli.recipe.making", "import_recipe", "Make a recipe of something pasted."),
        "new": ("glmprov.cli.recipe.making", "new", "Print a recipe to begin with."),
    }


@main.group(cls=_Recipes, short_help="Commands that others published, and what makes them work.")
def recipe() -> None:
    """Look at recipes, check them against a release and a host, and make your own.

    A recipe is a command that somebody published, word for word, with the corrections that make it work today. It is
    named by its name or alias, by the path of a file, or as git+https://HOST/REPOSITORY.git@COMMIT#PATH.
    """
