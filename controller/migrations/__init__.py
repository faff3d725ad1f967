"""The history of the centre's tables; ``controller.store`` runs it from the installed package at every start."""
