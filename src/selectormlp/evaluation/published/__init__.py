"""Measures that other papers judge panels by: those of Spapros, NS-Forest and geneBasis, from their formulas."""
